//! What both programs say about their log.

crate::settings! {
    /// The log, written to standard error.
    pub struct Log {
        /// How lines are written: for people or for programs.
        pub format: LogFormat = crate::value(LogFormat::Text);
        /// Which lines are written: a level, or levels by module, such as "info,hierophant_store=debug".
        pub filter: String = crate::value("info").also_variable("RUST_LOG");
    }
}

crate::choices! {
    /// How lines of the log are written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}
