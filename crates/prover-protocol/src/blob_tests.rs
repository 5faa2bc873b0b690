//! Tests of reading blobs: limits at the edge, and paths that a prover must not make its host open.

use std::{fs, os::unix::fs::symlink};

use super::*;

fn at_path(path: &Path) -> Blob {
    NamedBlob::file("x", path).blob.unwrap()
}

#[test]
fn limits_hold_at_the_edge() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    fs::write(&path, b"four").unwrap();
    let inline = NamedBlob::inline("x", *b"four").blob.unwrap();
    for blob in [at_path(&path), inline] {
        assert_eq!(read_blob(&blob, 4).unwrap(), b"four");
        assert!(matches!(read_blob(&blob, 3), Err(BlobError::TooLarge { limit: 3 })));
    }
}

#[test]
fn only_regular_files_at_absolute_paths_are_inputs() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        read_blob(&at_path(Path::new("relative")), 9),
        Err(BlobError::Path(_))
    ));
    assert!(matches!(
        read_blob(&at_path(directory.path()), 9),
        Err(BlobError::NotAFile(_))
    ));
    assert!(matches!(
        read_blob(&at_path(Path::new("/dev/zero")), 9),
        Err(BlobError::NotAFile(_))
    ));
    assert!(matches!(read_blob(&Blob { at: None }, 9), Err(BlobError::Empty)));
}

#[test]
fn outputs_lie_directly_in_their_directory_and_are_no_links() {
    let directory = tempfile::tempdir().unwrap();
    let output_dir = directory.path().join("out");
    fs::create_dir_all(output_dir.join("deep")).unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    fs::write(output_dir.join("proof"), b"proof").unwrap();
    fs::write(output_dir.join("deep/proof"), b"proof").unwrap();
    symlink(&secret, output_dir.join("link")).unwrap();

    let read = |path: PathBuf| read_output(&at_path(&path), &output_dir, 100);
    assert_eq!(read(output_dir.join("proof")).unwrap(), b"proof");
    assert!(matches!(read(output_dir.join("link")), Err(BlobError::NotAFile(_))));
    for refused in [
        secret,
        output_dir.join("../secret"),
        output_dir.join("deep/proof"),
        output_dir.join(".."),
    ] {
        assert!(matches!(read(refused.clone()), Err(BlobError::Path(_))), "{refused:?}");
    }
}

#[test]
fn plain_names_are_safe_as_file_names() {
    for good in ["proof", "guest_log", "v1.2-x", "0"] {
        assert!(is_plain_name(good), "{good}");
    }
    let long = "a".repeat(65);
    for bad in ["", ".", "..", ".hidden", "-x", "a/b", "A", "a b", "ä", &long] {
        assert!(!is_plain_name(bad), "{bad}");
    }
    assert!(is_plain_name(&long[1..]));
}

#[cfg(feature = "host")]
#[test]
fn replies_with_odd_outputs_are_refused() {
    let good = [NamedBlob::inline("a", *b""), NamedBlob::file("b", Path::new("/out/b"))];
    assert_eq!(check_outputs(&good, "/out"), Ok(()));
    let bad = [
        vec![NamedBlob::inline("a", *b""), NamedBlob::inline("a", *b"")],
        vec![NamedBlob::inline("a", vec![0; MAX_INLINE_BYTES + 1])],
        vec![NamedBlob::inline("../a", *b"")],
        vec![NamedBlob {
            name: "a".into(),
            blob: None,
        }],
        vec![NamedBlob::file("a", Path::new("/elsewhere/a"))],
        (0..=MAX_OUTPUTS)
            .map(|n| NamedBlob::inline(n.to_string(), *b""))
            .collect(),
    ];
    for outputs in bad {
        assert!(check_outputs(&outputs, "/out").is_err(), "{outputs:?}");
    }
}
