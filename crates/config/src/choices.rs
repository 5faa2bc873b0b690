//! The two macros by which a program declares its settings: [`settings!`](crate::settings!) and
//! [`choices!`](crate::choices!).

/// Declares a table of settings as a plain struct. The doc comment of a field is its entry in the manual; the
/// expression after `=` says what kind of field it is.
///
/// ```
/// use hierophant_config::{group, optional, settings, tables, value};
///
/// settings! {
///     /// Everything.
///     pub struct All {
///         /// Port of the HTTP server.
///         pub http_port: u16 = value(9010_u16);
///         /// Label of this machine.
///         pub name: Option<String> = optional("left", "a random name");
///         /// How failed work is repeated.
///         pub retry: Retry = group();
///         /// Programs to start.
///         pub programs: Vec<Retry> = tables();
///     }
/// }
/// settings! {
///     /// How failed work is repeated.
///     pub struct Retry {
///         /// Attempts at most.
///         pub max_attempts: u32 = value(10_u32).range(1..=100);
///     }
/// }
///
/// assert_eq!(All::default().retry.max_attempts, 10);
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])* pub $field:ident : $type:ty = $spec:expr;)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl $crate::Section for $name {
            fn describe(path: &str, schema: &mut $crate::Schema) {
                $(
                    let path_of_field = $crate::join(path, stringify!($field));
                    $crate::Field::<$type>::describe(&$spec, path_of_field, &[$($doc),*], schema);
                )*
            }

            fn read(path: &str, reader: &mut $crate::Reader<'_>) -> Self {
                Self {
                    $($field: $crate::Field::<$type>::read(
                        &$spec,
                        &$crate::join(path, stringify!($field)),
                        reader,
                    ),)*
                }
            }

            fn write(&self, path: &str, entries: &mut Vec<$crate::Entry>) {
                $(
                    let path_of_field = $crate::join(path, stringify!($field));
                    $crate::Field::<$type>::write(&$spec, &self.$field, path_of_field, entries);
                )*
            }

            fn initial() -> Self {
                Self { $($field: $crate::Field::<$type>::initial(&$spec),)* }
            }
        }

        /// The defaults. A required key holds its example: only loading tells that it is missing.
        impl Default for $name {
            fn default() -> Self {
                <Self as $crate::Section>::initial()
            }
        }
    };
}

/// Declares a setting that is one of a few words.
///
/// ```
/// hierophant_config::choices! {
///     /// How lines are written.
///     pub enum Format {
///         /// For people.
///         Text = "text",
///         /// For programs.
///         Json = "json",
///     }
/// }
/// assert_eq!(Format::Json.as_str(), "json");
/// ```
#[macro_export]
macro_rules! choices {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $name {
            /// The word used in settings.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::Value for $name {
            fn type_name() -> String {
                [$(concat!("\"", $word, "\"")),*].join(" or ")
            }

            fn from_raw(raw: &$crate::Raw) -> Result<Self, $crate::Mismatch> {
                match raw {
                    $($crate::Raw::Text(text) | $crate::Raw::String(text) if text == $word => Ok(Self::$variant),)*
                    _ => Err($crate::Mismatch::of(Self::type_name())),
                }
            }

            fn to_raw(&self) -> $crate::Raw {
                $crate::Raw::String(self.as_str().to_owned())
            }
        }
    };
}
