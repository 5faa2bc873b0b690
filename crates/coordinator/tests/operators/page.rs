//! A page in Markdown, as far as its tables and command lines can be checked.

/// A row of a table: its cells by the titles of their columns.
#[derive(Debug)]
pub(crate) struct Row(Vec<(String, String)>);

impl Row {
    /// What the cells of these columns have in backticks.
    pub(crate) fn quoted<'a>(&'a self, columns: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let cells = self
            .0
            .iter()
            .filter(move |(title, _)| columns.contains(&title.as_str()));
        cells.flat_map(|(_, cell)| quoted(cell))
    }

    /// Whether a cell of this column is there and has something in it.
    pub(crate) fn says(&self, column: &str) -> bool {
        self.0.iter().any(|(title, cell)| title == column && !cell.is_empty())
    }
}

/// Words in backticks.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of all tables, without their heads.
pub(crate) fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut head: Option<Vec<String>> = None;
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            head = None;
            continue;
        };
        match &head {
            None => head = Some(cells),
            Some(_) if cells.iter().all(|cell| cell.chars().all(|c| c == '-')) => {}
            Some(head) => {
                assert_eq!(head.len(), cells.len(), "{line}");
                rows.push(Row(head.iter().cloned().zip(cells).collect()));
            }
        }
    }
    rows
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The blocks of this language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}");
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            None if line == begin => block = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(block.take()),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn tables_and_blocks_are_read() {
    let page = "text\n\n| A | B |\n|---|---|\n| `a` or `b` | |\n\n```sh\nrun\n```\n| C |\n|---|\n| c |\n";
    let rows = rows(page);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].quoted(&["A", "B"]).collect::<Vec<_>>(), ["a", "b"]);
    assert!(rows[0].says("A") && !rows[0].says("B") && !rows[1].says("A"));
    assert_eq!(blocks(page, "sh"), ["run\n"]);
}
