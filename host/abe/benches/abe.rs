//! What readers and writers wait for, at 10 attributes of two authorities: `cargo bench -p twinseal-abe`.
#![allow(missing_docs, reason = "criterion_group! makes undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use twinseal_abe::outsource::{Transformed, tkgen, transform};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{Attribute, Authority, Ciphertext, Error, Policy, UserId, decapsulate, encapsulate};

fn at_10_attributes(criterion: &mut Criterion) {
    // Everything here is made from constants.
    if let Err(error) = bench(criterion) {
        panic!("{error}");
    }
}

fn bench(criterion: &mut Criterion) -> Result<(), Error> {
    let header = b"record 7";
    let user: UserId = "alice".parse()?;
    let (mut names, mut keys, mut authorities) = (Vec::new(), Vec::new(), Vec::new());
    for authority in ["x", "y"] {
        let own: Vec<String> = (0..5).map(|i| format!("a{i}@{authority}")).collect();
        let attributes: Vec<Attribute> = own.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let authority = Authority::setup(authority.parse()?, &mut OsRng);
        keys.extend(authority.issue(&user, &attributes, &mut OsRng)?);
        authorities.push(authority);
        names.extend(own);
    }
    let policy: Policy = names.join(" and ").parse()?;
    let publics: Vec<_> = authorities.iter().map(Authority::public_key).collect();
    let seal = || encapsulate(&policy, publics.iter().copied(), header, &mut OsRng);
    let (ciphertext, _) = seal()?;
    let bytes = ciphertext.to_bytes();
    let (transform_key, retrieving_key) = tkgen(&user, &keys, &mut OsRng)?;
    let answer = transform(&ciphertext, &transform_key)?.to_bytes();
    let finish = || retrieving_key.finish(&ciphertext, header, &Transformed::from_bytes(&answer)?);
    finish()?;

    criterion.bench_function("encapsulate", |bencher| bencher.iter(seal));
    criterion.bench_function("parse", |bencher| bencher.iter(|| Ciphertext::from_bytes(black_box(&bytes))));
    criterion.bench_function("decapsulate", |bencher| {
        bencher.iter(|| decapsulate(black_box(&ciphertext), header, &user, &keys));
    });
    criterion.bench_function("transform", |bencher| {
        bencher.iter(|| transform(black_box(&ciphertext), &transform_key));
    });
    criterion.bench_function("finish", |bencher| bencher.iter(finish));
    Ok(())
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = at_10_attributes
}
criterion_main!(benches);
