//! `cargo xtask docs`: writes the pages and example files that are generated from the programs, or checks that they
//! are what the programs say.
//!
//! To add a page, add one entry to [`pages`]. Not here: what a page says, which belongs to the crate it comes from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hierophant_config::settings::{contemplant, hierophant};
use hierophant_config::{example_file, reference_page};

use crate::env::Env;
use crate::stage::Tally;

/// What `docs` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where a page is not what the programs say.
    #[arg(long)]
    check: bool,
}

/// A generated file.
struct Page {
    /// Where it lies in the repository.
    path: &'static str,
    text: String,
}

fn pages() -> [Page; 4] {
    let page = |path, text| Page { path, text };
    [
        page("docs/settings/hierophant.md", reference_page::<hierophant::Settings>()),
        page(
            "docs/settings/hierophant.example.toml",
            example_file::<hierophant::Settings>(),
        ),
        page(
            "docs/settings/contemplant.md",
            reference_page::<contemplant::Settings>(),
        ),
        page(
            "docs/settings/contemplant.example.toml",
            example_file::<contemplant::Settings>(),
        ),
    ]
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    if args.check {
        check(env).map(drop)
    } else {
        write(env.root(), &pages())
    }
}

/// Fails where a page is not what the programs say.
pub(crate) fn check(env: &Env) -> Result<Tally> {
    let stale = stale(env.root(), &pages());
    if !stale.is_empty() {
        bail!(
            "not what the programs say: {}; run `cargo xtask docs` and commit",
            stale.join(", ")
        );
    }
    println!("docs: the generated pages are what the programs say");
    Ok(Tally::one_passed())
}

fn write(root: &Path, pages: &[Page]) -> Result<()> {
    for page in pages {
        let path = root.join(page.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        fs::write(&path, &page.text).with_context(|| format!("could not write {}", path.display()))?;
        println!("{}", page.path);
    }
    Ok(())
}

/// The pages whose file is missing or says something else.
fn stale(root: &Path, pages: &[Page]) -> Vec<&'static str> {
    let current = |page: &Page| fs::read_to_string(root.join(page.path)).is_ok_and(|text| text == page.text);
    pages
        .iter()
        .filter(|page| !current(page))
        .map(|page| page.path)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_current_and_a_change_or_loss_is_named() {
        let root = tempfile::tempdir().unwrap();
        let pages = pages();
        write(root.path(), &pages).unwrap();
        assert!(stale(root.path(), &pages).is_empty());
        fs::write(root.path().join(pages[0].path), "changed").unwrap();
        fs::remove_file(root.path().join(pages[3].path)).unwrap();
        assert_eq!(stale(root.path(), &pages), [pages[0].path, pages[3].path]);
    }
}
