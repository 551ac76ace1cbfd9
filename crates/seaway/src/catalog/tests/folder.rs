use super::super::folder::{files as files_of, scan};
use super::*;
use std::fs;
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    files_of(folder).unwrap().texts.into_iter().map(|(name, _)| name).collect()
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn all_yaml_below_a_folder_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a/deep/x.yml", "a/notes.md", ".git/c.yaml", "a.yaml/inside.yaml"] {
        write(folder.path(), name, "text");
    }
    assert_eq!(names(folder.path()), ["a.yaml/inside.yaml", "a/deep/x.yml", "b.yaml"]);
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_outside_of_the_folder() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), "secret.yaml", "secret");
    symlink(outside.path().join("secret.yaml"), folder.path().join("link.yaml")).unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink(folder.path(), folder.path().join("circle")).unwrap();
    symlink("nowhere", folder.path().join("dangling.yaml")).unwrap();
    // As Kubernetes mounts a ConfigMap.
    write(folder.path(), "..2026/inside.yaml", "text");
    symlink("..2026", folder.path().join("..data")).unwrap();
    symlink("..data/inside.yaml", folder.path().join("inside.yaml")).unwrap();
    assert_eq!(names(folder.path()), ["inside.yaml"]);
    assert_eq!(files_of(folder.path()).unwrap().texts[0].1, "text");
}

#[test]
fn files_that_cannot_be_read_are_all_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good.yaml", SHOP);
    write(folder.path(), "bytes.yaml", b"a: 1\nb: \xff\xfe\n");
    write(folder.path(), "large.yaml", vec![b'x'; 1024 * 1024 + 1]);
    assert_eq!(
        shown(&files_of(folder.path()).unwrap_err()),
        [
            "bytes.yaml:2: this is not UTF-8: save the file as UTF-8",
            "large.yaml: the file is larger than 1048576 bytes: split it",
        ]
    );
}

#[test]
fn a_folder_without_files_is_no_empty_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let empty = shown(&files_of(folder.path()).unwrap_err());
    assert!(empty[0].ends_with("there is no *.yaml or *.yml file in this folder"), "{empty:?}");
    let gone = folder.path().join("gone");
    assert!(scan(&gone).is_err());
    assert!(shown(&files_of(&gone).unwrap_err())[0].contains("cannot be read"));
}

#[test]
fn fingerprints_change_with_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let of = || scan(folder.path()).unwrap();
    write(folder.path(), "a.yaml", "1");
    let first = of();
    assert_eq!(of(), first);
    write(folder.path(), "notes.md", "1");
    assert_eq!(of(), first, "this file is not of the catalog");
    write(folder.path(), "a.yaml", "12");
    let larger = of();
    assert_ne!(larger, first);
    let file = fs::File::options().write(true).open(folder.path().join("a.yaml")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    let touched = of();
    assert_ne!(touched, larger);
    fs::rename(folder.path().join("a.yaml"), folder.path().join("b.yaml")).unwrap();
    assert_ne!(of(), touched);
}
