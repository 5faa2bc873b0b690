//! The file that `config init` writes: every key with its description. Lines of prose begin with `# `; a key that
//! has a default is written as `#key = value`, without the space, so that removing one character sets it.

use crate::{
    generate::{add, keys_of, last, type_of},
    program::{Program, Settings},
    schema::{Key, Presence, Schema},
};

/// Longest line of prose, in characters.
const WIDTH: usize = 100;

/// An example file that is valid as it stands and says the same as no file at all, required keys aside.
pub fn example_file<S: Settings>() -> String {
    let program = S::PROGRAM;
    let schema = S::schema();
    let mut out = String::new();
    prose(
        &mut out,
        &[format!(
            "Settings of {}. Each value below is the default, or an example where it says what holds when it is absent; remove the # before a key to set it. Stronger than this \
             file are the environment (the variable named with each key) and the command line (--set key=value). \
             Durations are written like 15s or 1h30m, sizes like 64MiB or 14GB. A secret may be given as \
             \"file:PATH\". Relative paths begin at the working directory.",
            program.name
        )],
    );
    let is_table = |key: &&Key| matches!(key.presence, Presence::Tables { .. });
    keys_of(&schema, "")
        .filter(|key| !is_table(key))
        .for_each(|key| leaf(&mut out, key, Some(&program), ""));
    for group in &schema.groups {
        out.push('\n');
        prose(&mut out, &group.doc);
        add(&mut out, &format!("[{}]\n", group.path));
        keys_of(&schema, &group.path)
            .filter(|key| !is_table(key))
            .for_each(|key| leaf(&mut out, key, Some(&program), ""));
    }
    for key in schema.keys.iter().filter(is_table) {
        if let Presence::Tables { entry } = &key.presence {
            list_of_tables(&mut out, key, entry, &program);
        }
    }
    out
}

/// All keys of an entry, commented: an empty entry would not do.
fn list_of_tables(out: &mut String, key: &Key, entry: &Schema, program: &Program) {
    out.push('\n');
    prose(out, &key.doc);
    prose(out, &[format!("[list of tables; {}]", program.variable(&key.path))]);
    add(out, &format!("#[[{}]]\n", key.path));
    keys_of(entry, "").for_each(|key| leaf(out, key, None, "#"));
}

fn leaf(out: &mut String, key: &Key, program: Option<&Program>, comment: &str) {
    out.push('\n');
    prose(out, &key.doc);
    let name = last(&key.path);
    let (presence, line) = match &key.presence {
        Presence::Default(default) => ("", format!("#{name} = {}", default.to_toml())),
        Presence::Optional { example, absent } => (
            &*format!("; when absent: {absent}"),
            format!("#{name} = {}", example.to_toml()),
        ),
        Presence::Required { example } => ("; required", format!("{comment}{name} = {}", example.to_toml())),
        // A list of tables inside an entry of another is written inline.
        Presence::Tables { .. } => ("", format!("#{name} = []")),
    };
    let variables = program
        .map(|program| format!("; {}", program.variable(&key.path)))
        .unwrap_or_default();
    let also = key
        .also_variable
        .map(|name| format!(", or {name}, which wins"))
        .unwrap_or_default();
    prose(out, &[format!("[{}{presence}{variables}{also}]", type_of(key))]);
    out.push_str(&line);
    out.push('\n');
}

/// Lines of at most [`WIDTH`] characters, filled anew.
fn prose<T: AsRef<str>>(out: &mut String, lines: &[T]) {
    let mut line = String::from("#");
    for word in lines.iter().flat_map(|line| line.as_ref().split_whitespace()) {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        out.push_str(&line);
        out.push('\n');
    }
}
