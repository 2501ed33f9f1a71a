//! rabe 0.4.2.

use crate::figures::{AW11, Figures, GHW11};
use crate::measure::{Effort, measure as time};
use rabe::error::RabeError;
use rabe::schemes::{ac17, aw11, bsw, ghw11};
use rabe::utils::policy::pest::PolicyLanguage::JsonPolicy;

const PLAINTEXT: &[u8] = &[7; 32];

pub(crate) fn measure(n: usize, effort: Effort, figures: &mut Figures) -> Result<(), RabeError> {
    let names: Vec<String> = (0..n).map(|i| format!("A{i}")).collect();
    let attributes: Vec<&str> = names.iter().map(String::as_str).collect();
    let policy = all_of(&attributes);
    let missing = || RabeError::new("no key");

    // AW11: the first half of the attributes from one authority, the rest from another.
    let global = aw11::setup();
    let halves = attributes.split_at(n / 2);
    let (public_1, master_1) = aw11::authgen(&global, halves.0).ok_or_else(missing)?;
    let (public_2, master_2) = aw11::authgen(&global, halves.1).ok_or_else(missing)?;
    let (times, key) = time(effort, || {
        let mut key = aw11::keygen(&global, &master_1, "alice", halves.0)?;
        halves.1.iter().try_for_each(|name| aw11::add_to_attribute(&global, &master_2, name, &mut key))?;
        Ok::<_, RabeError>(key)
    });
    let key = key?;
    figures.add(AW11, "keygen", n, times);
    let publics = [&public_1, &public_2];
    let (times, ciphertext) =
        time(effort, || aw11::encrypt(&global, &publics, &policy, JsonPolicy, PLAINTEXT));
    let ciphertext = ciphertext?;
    figures.add(AW11, "encrypt", n, times);
    let (times, opened) = time(effort, || aw11::decrypt(&global, &key, &ciphertext));
    assert_eq!(opened?, PLAINTEXT);
    figures.add(AW11, "decrypt", n, times);

    let (public, master) = bsw::setup();
    let (times, key) = time(effort, || bsw::keygen(&public, &master, &attributes));
    let key = key.ok_or_else(missing)?;
    figures.add("rabe BSW", "keygen", n, times);
    let (times, ciphertext) = time(effort, || bsw::encrypt(&public, &policy, JsonPolicy, PLAINTEXT));
    let ciphertext = ciphertext?;
    figures.add("rabe BSW", "encrypt", n, times);
    let (times, opened) = time(effort, || bsw::decrypt(&key, &ciphertext));
    assert_eq!(opened?, PLAINTEXT);
    figures.add("rabe BSW", "decrypt", n, times);

    let (public, master) = ac17::setup();
    let (times, key) = time(effort, || ac17::cp_keygen(&master, &attributes));
    let key = key?;
    figures.add("rabe AC17-CP", "keygen", n, times);
    let (times, ciphertext) = time(effort, || ac17::cp_encrypt(&public, &policy, PLAINTEXT, JsonPolicy));
    let ciphertext = ciphertext?;
    figures.add("rabe AC17-CP", "encrypt", n, times);
    let (times, opened) = time(effort, || ac17::cp_decrypt(&key, &ciphertext));
    assert_eq!(opened?, PLAINTEXT);
    figures.add("rabe AC17-CP", "decrypt", n, times);

    let (public, master) = ghw11::setup();
    let (times, key) = time(effort, || ghw11::keygen(&public, &master, &names));
    let key = key.ok_or_else(missing)?;
    figures.add(GHW11, "keygen", n, times);
    let (times, ciphertext) = time(effort, || ghw11::encrypt(&public, &policy, JsonPolicy, PLAINTEXT));
    let ciphertext = ciphertext?;
    figures.add(GHW11, "encrypt", n, times);
    let (times, pair) = time(effort, || ghw11::tkgen(key.clone()));
    let (transform_key, retrieve_key) = pair.ok_or_else(missing)?;
    figures.add(GHW11, "tkgen", n, times);
    let (times, transformed) = time(effort, || ghw11::transform(ciphertext.clone(), transform_key.clone()));
    let transformed = transformed?;
    figures.add(GHW11, "transform", n, times);
    let (times, opened) = time(effort, || {
        ghw11::decrypt_out(transformed.clone(), retrieve_key.clone(), ciphertext.data.clone())
    });
    assert_eq!(opened?, PLAINTEXT);
    figures.add(GHW11, "finish", n, times);
    Ok(())
}

/// `and` of all: a balanced tree, since rabe takes two children each, in JSON, since its human grammar
/// backtracks exponentially in the depth.
fn all_of(attributes: &[&str]) -> String {
    match attributes {
        [one] => format!(r#"{{"name": "{one}"}}"#),
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            format!(r#"{{"name": "and", "children": [{}, {}]}}"#, all_of(left), all_of(right))
        }
    }
}
