//! `docs/register_map.md` is what the wire crate says.

use twinseal_hdl::Error;
use twinseal_hdl::flow::{checkout, document};

#[test]
fn the_register_map_is_current() {
    document::check(&checkout()).unwrap();
}

#[test]
fn another_document_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("docs")).unwrap();
    document::write(dir.path()).unwrap();
    document::check(dir.path()).unwrap();
    let path = dir.path().join(document::REGISTER_MAP);
    let text = std::fs::read_to_string(&path).unwrap().replace("SCRATCH", "SCRATCHY");
    std::fs::write(&path, text).unwrap();
    assert!(matches!(document::check(dir.path()), Err(Error::StaleDocument { .. })));
}
