//! The reference page in Markdown: one table of keys per table of settings.

use crate::{
    generate::{add, keys_of, type_of},
    program::{Program, Settings},
    schema::{Key, Presence, Schema},
};

/// The reference page of a program.
pub fn reference_page<S: Settings>() -> String {
    let program = S::PROGRAM;
    let schema = S::schema();
    let mut out = format!(
        "# Settings of {}\n\n\
         This page is generated from the program. In rising order of strength, a value comes from its default, from the \
         file (`--config PATH`, else the file named by `{}`, else `{}` in the working directory if it is there), \
         from the environment, or from the command line (`--set key=value`). `{} config show` prints every value with its \
         origin; `{} config check` prints every problem. An unknown key or variable is refused.\n\n\
         Durations are written like `15s` or `1h30m`, sizes like `64MiB` or `14GB`. A secret may be given as `file:PATH`. \
         In a variable or on the command line, a list is TOML or separated by commas; tables are TOML. Relative paths \
         begin at the working directory.\n",
        program.name,
        program.file_variable(),
        program.default_file,
        program.name,
        program.name,
    );
    section(
        &mut out,
        "General",
        &[],
        keys_of(&schema, "").filter(|key| !is_tables(key)),
        Some(&program),
    );
    for group in &schema.groups {
        let keys = keys_of(&schema, &group.path).filter(|key| !is_tables(key));
        section(
            &mut out,
            &format!("`[{}]`", group.path),
            &group.doc,
            keys,
            Some(&program),
        );
    }
    for key in &schema.keys {
        if let Presence::Tables { entry } = &key.presence {
            list_of_tables(&mut out, key, entry, &program);
        }
    }
    other_variables(&mut out, &program);
    out
}

fn list_of_tables(out: &mut String, key: &Key, entry: &Schema, program: &Program) {
    let mut doc = key.doc.clone();
    doc.push(format!(
        "As a whole also from the variable `{}`, as a TOML list of tables.",
        program.variable(&key.path)
    ));
    section(out, &format!("`[[{}]]`", key.path), &doc, entry.keys.iter(), None);
}

fn section<'a>(
    out: &mut String,
    title: &str,
    doc: &[String],
    keys: impl Iterator<Item = &'a Key>,
    program: Option<&Program>,
) {
    add(out, &format!("\n## {title}\n\n"));
    if !doc.is_empty() {
        add(out, &format!("{}\n\n", doc.join(" ")));
    }
    match program {
        Some(_) => out.push_str("| Key | Type | Default | Variable | Description |\n| --- | --- | --- | --- | --- |\n"),
        None => out.push_str("| Key | Type | Default | Description |\n| --- | --- | --- | --- |\n"),
    }
    for key in keys {
        let mut cells = vec![format!("`{}`", key.path), cell(&type_of(key)), default_of(key)];
        if let Some(program) = program {
            let also = key
                .also_variable
                .map(|name| format!(", `{name}` (wins)"))
                .unwrap_or_default();
            cells.push(format!("`{}`{also}", program.variable(&key.path)));
        }
        cells.push(cell(&key.doc.join(" ")));
        add(out, &format!("| {} |\n", cells.join(" | ")));
    }
}

fn other_variables(out: &mut String, program: &Program) {
    out.push_str("\n## Other variables\n\n| Variable | Meaning |\n| --- | --- |\n");
    add(
        out,
        &format!(
            "| `{}` | The settings file, when `--config` does not name one. |\n",
            program.file_variable()
        ),
    );
    for other in program.other_variables {
        add(out, &format!("| `{}` | {} |\n", other.name, cell(other.meaning)));
    }
}

fn default_of(key: &Key) -> String {
    match &key.presence {
        Presence::Default(default) => format!("`{}`", cell(&default.to_toml())),
        Presence::Optional { absent, .. } => cell(absent),
        Presence::Required { example } => format!("**required**, such as `{}`", cell(&example.to_toml())),
        Presence::Tables { .. } => "none".to_owned(),
    }
}

fn is_tables(key: &Key) -> bool {
    matches!(key.presence, Presence::Tables { .. })
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
