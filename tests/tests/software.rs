//! The software provider: the twin that every board is compared with.

use twinseal_driver::{Error, Provider};
use twinseal_tests::data::Random;
use twinseal_tests::reference::derived;
use twinseal_tests::{Budget, provider};
use zeroize::Zeroizing;

#[test]
fn the_software_provider_conforms() {
    provider::run(&Provider::software(), &Budget::full());
    provider::run(&Provider::software_with_root(Zeroizing::new([7; 32])), &Budget::full());
}

#[test]
fn keys_are_hmac_under_the_root() {
    let mut random = Random::new(1);
    for len in [0, 1, 32, 64, 65, 128] {
        let root: [u8; 32] = random.bytes(32).try_into().unwrap();
        let label = random.bytes(len);
        let provider = Provider::software_with_root(Zeroizing::new(root));
        assert_eq!(*provider.derive.derive(&label).unwrap(), derived(&root, &label));
    }
    let error = Provider::software_with_root(Zeroizing::new([7; 32])).derive.derive(&[0; 129]).unwrap_err();
    assert!(matches!(error, Error::LabelTooLong { bytes: 129, max: 128 }), "{error}");
}

#[test]
fn without_a_root_nothing_is_derived() {
    let error = Provider::software().derive.derive(b"label").unwrap_err();
    assert!(matches!(error, Error::NoRoot), "{error}");
}
