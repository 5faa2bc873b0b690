//! Settings files, made of dotted keys.

use toml::{Table, Value};

/// Sets a dotted key of a table, such as `workers.heartbeat_interval`; tables on the way are made.
///
/// # Panics
/// When something on the way is not a table: a mistake in the test.
pub fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value.into());
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else {
                panic!("{first} of {key} is not a table but {inner}")
            };
            set(inner, rest, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_make_tables_and_replace_values() {
        let mut table = Table::new();
        set(&mut table, "listen", "127.0.0.1");
        set(&mut table, "workers.max_strikes", 3);
        set(&mut table, "workers.heartbeat_interval", "1s");
        set(&mut table, "workers.max_strikes", 4);
        let expected = "listen = \"127.0.0.1\"\n\n[workers]\nheartbeat_interval = \"1s\"\nmax_strikes = 4\n";
        assert_eq!(table.to_string(), expected);
    }
}
