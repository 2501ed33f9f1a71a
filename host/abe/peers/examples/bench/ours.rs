//! `twinseal-abe`.

use crate::figures::{Figures, ONLINE, OURS, OWNER, OWNER_OF_16, OWNER_OF_64, OWNER_OF_FOUR, PLAN};
use crate::measure::{Effort, measure as time, measure_prepared as time_prepared};
use std::time::Instant;
use twinseal_abe::outsource::{self, Pending, Plan, Pool, Rows, RowsJob, Transformed, encrypt_rows};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, AttributeKey, Authority, Ciphertext, Error, Policy, PublicKey, UserId, decapsulate,
    decapsulate_checked, decapsulate_many, encapsulate, encapsulate_many,
};

const HEADER: &[u8] = b"record 7";

/// Two authorities that issue every other of n attributes, all of which the policy asks for.
struct World {
    authorities: [Authority; 2],
    attributes: [Vec<Attribute>; 2],
    policy: Policy,
    user: UserId,
}

impl World {
    fn new(n: usize) -> Result<Self, Error> {
        let names = ["x", "y"];
        let texts: Vec<String> = (0..n).map(|i| format!("a{i}@{}", names[i % 2])).collect();
        let of = |parity: usize| -> Result<Vec<Attribute>, Error> {
            texts.iter().skip(parity).step_by(2).map(|text| text.parse()).collect()
        };
        Ok(Self {
            authorities: [
                Authority::setup(names[0].parse()?, &mut OsRng),
                Authority::setup(names[1].parse()?, &mut OsRng),
            ],
            attributes: [of(0)?, of(1)?],
            policy: texts.join(" and ").parse()?,
            user: "alice".parse()?,
        })
    }

    fn publics(&self) -> [&PublicKey; 2] {
        self.authorities.each_ref().map(Authority::public_key)
    }

    fn issue(&self) -> Result<Vec<AttributeKey>, Error> {
        let mut keys = Vec::new();
        for (authority, attributes) in self.authorities.iter().zip(&self.attributes) {
            keys.extend(authority.issue(&self.user, attributes, &mut OsRng)?);
        }
        Ok(keys)
    }
}

pub(crate) fn measure(n: usize, effort: Effort, figures: &mut Figures) -> Result<(), Error> {
    let world = World::new(n)?;
    let publics = world.publics();
    let user = &world.user;

    let (times, keys) = time(effort, || world.issue());
    let keys = keys?;
    figures.add(OURS, "keygen", n, times);

    let (times, sealed) = time(effort, || encapsulate(&world.policy, publics, HEADER, &mut OsRng));
    let (ciphertext, key) = sealed?;
    figures.add(OURS, "encrypt", n, times);

    let (times, plan) = time(effort, || Plan::new(&world.policy, publics));
    let plan = plan?;
    figures.add(OURS, PLAN, n, times);
    let answers = |jobs: &[RowsJob; 2]| -> Result<[Vec<u8>; 2], Error> {
        let [a, b] = jobs;
        Ok([encrypt_rows(a, publics)?.to_bytes(), encrypt_rows(b, publics)?.to_bytes()])
    };
    let (begin_times, begun) = time(effort, || plan.begin(HEADER, &mut OsRng));
    let jobs = begun?.1;
    let (times, rows) = time(effort, || encrypt_rows(&jobs[0], publics));
    rows?;
    figures.add(OURS, "encrypt: one helper's share", n, times);
    let begin_and_wait = || {
        let (pending, jobs) = plan.begin(HEADER, &mut OsRng)?;
        Ok::<_, Error>((pending, answers(&jobs)?))
    };
    // With reading and checking what the helpers sent.
    let finish = |(pending, [a, b]): (Pending<'_>, [Vec<u8>; 2])| {
        pending.finish(&[Rows::from_bytes(&a)?, Rows::from_bytes(&b)?], &mut OsRng)
    };
    let (finish_times, finished) = time_prepared(effort, begin_and_wait, |waiting| finish(waiting?));
    let (outsourced, key_outsourced) = finished?;
    assert_eq!(decapsulate(&outsourced, HEADER, user, &keys)?, key_outsourced);
    figures.add(OURS, OWNER, n, begin_times + finish_times);

    // The same for many ciphertexts at once.
    for (operation, size) in [(OWNER_OF_16, 16), (OWNER_OF_64, 64)] {
        let headers = vec![HEADER; size];
        let (begin_times, begun) = time(effort, || plan.begin_many(&headers, &mut OsRng));
        begun?;
        let begin_and_wait = || {
            let begun = plan.begin_many(&headers, &mut OsRng)?;
            let wait = |(pending, jobs): (_, [RowsJob; 2])| Ok((pending, answers(&jobs)?));
            begun.into_iter().map(wait).collect::<Result<Vec<_>, Error>>()
        };
        let finish = |waiting: Vec<(Pending<'_>, [Vec<u8>; 2])>| {
            let read = |(pending, [a, b]): (_, [Vec<u8>; 2])| {
                Ok((pending, [Rows::from_bytes(&a)?, Rows::from_bytes(&b)?]))
            };
            let items = waiting.into_iter().map(read).collect::<Result<_, Error>>()?;
            plan.finish_many(items, &mut OsRng).into_iter().collect::<Result<Vec<_>, Error>>()
        };
        let effort = effort.of_few();
        let (finish_times, finished) = time_prepared(effort, begin_and_wait, |waiting| finish(waiting?));
        for (outsourced, key_outsourced) in finished?.iter().take(1) {
            assert_eq!(decapsulate(outsourced, HEADER, user, &keys)?, *key_outsourced);
        }
        figures.add(OURS, operation, n, (begin_times + finish_times) / size);
    }

    // Four helpers, each job done twice.
    let begin_and_wait_for_four = || {
        let (pending, jobs) = plan.begin(HEADER, &mut OsRng)?;
        Ok::<_, Error>((pending, answers(&jobs)?, answers(&jobs)?))
    };
    let agree = |(pending, first, second): (Pending<'_>, [Vec<u8>; 2], [Vec<u8>; 2])| {
        let answers = [&first, &second].map(|pair| pair.each_ref().map(|answer| &answer[..]));
        pending.finish_agreed(&answers, &mut OsRng)
    };
    let (finish_times, finished) = time_prepared(effort, begin_and_wait_for_four, |waiting| agree(waiting?));
    finished?;
    figures.add(OURS, OWNER_OF_FOUR, n, begin_times + finish_times);

    let fill = || {
        let mut pool = Pool::new();
        pool.prepare(&world.policy, publics, 1, &mut OsRng).map(|()| pool)
    };
    let (times, pool) = time(effort, fill);
    pool?;
    figures.add(OURS, "encrypt: offline", n, times);
    let online = |mut pool: Pool| pool.encapsulate(&world.policy, publics, HEADER, &mut OsRng);
    let (times, sealed) = time_prepared(effort, fill, |pool| online(pool?));
    let (prepared, key_prepared) = sealed?;
    assert_eq!(decapsulate(&prepared, HEADER, user, &keys)?, key_prepared);
    figures.add(OURS, ONLINE, n, times);

    let bytes = ciphertext.to_bytes();
    let (times, parsed) = time(effort, || Ciphertext::from_bytes(&bytes));
    assert!(parsed? == ciphertext);
    figures.add(OURS, "parse", n, times);

    let (times, opened) = time(effort, || decapsulate(&ciphertext, HEADER, user, &keys));
    assert_eq!(opened?, key);
    figures.add(OURS, "decrypt", n, times);

    let (times, opened) = time(effort, || decapsulate_checked(&ciphertext, HEADER, user, &keys, publics));
    assert_eq!(opened?, key);
    figures.add(OURS, "decrypt_checked", n, times);

    let (times, pair) = time(effort, || outsource::tkgen(user, &keys, &mut OsRng));
    let (transform_key, retrieving_key) = pair?;
    figures.add(OURS, "tkgen", n, times);

    let (times, transformed) = time(effort, || outsource::transform(&ciphertext, &transform_key));
    let answer = transformed?.to_bytes();
    figures.add(OURS, "transform", n, times);

    // With the checks of what the helper sent.
    let finish = || retrieving_key.finish(&ciphertext, HEADER, &Transformed::from_bytes(&answer)?);
    let (times, finished) = time(effort, finish);
    assert_eq!(finished?, key);
    figures.add(OURS, "finish", n, times);
    let finish = || retrieving_key.finish_encoded(&bytes, HEADER, &Transformed::from_bytes(&answer)?);
    let (times, finished) = time(effort, finish);
    assert_eq!(finished?, key);
    figures.add(OURS, "finish_encoded", n, times);
    Ok(())
}

/// Operations a second, by wall clock.
pub(crate) struct Throughput {
    pub(crate) operation: &'static str,
    pub(crate) one_thread: f64,
    pub(crate) all_processors: f64,
}

/// Batches of operations of `n` attributes, against the same one after the other.
pub(crate) fn batch(n: usize, effort: Effort) -> Result<Vec<Throughput>, Error> {
    const ITEMS: usize = 32;
    let world = World::new(n)?;
    let (publics, user) = (world.publics(), &world.user);
    let keys = world.issue()?;
    let (ciphertext, _) = encapsulate(&world.policy, publics, HEADER, &mut OsRng)?;
    let to_seal = [(&world.policy, HEADER); ITEMS];
    let to_open = [(&ciphertext, HEADER); ITEMS];
    let rate = |work: &dyn Fn() -> bool| {
        let started = Instant::now();
        let mut batches = 0;
        while started.elapsed() < effort.throughput_budget() {
            assert!(work());
            batches += 1;
        }
        (batches * ITEMS) as f64 / started.elapsed().as_secs_f64()
    };
    let one_by_one = |work: &dyn Fn() -> bool| rate(&|| (0..ITEMS).all(|_| work()));
    Ok(vec![
        Throughput {
            operation: "encrypt",
            one_thread: one_by_one(&|| encapsulate(&world.policy, publics, HEADER, &mut OsRng).is_ok()),
            all_processors: rate(&|| {
                encapsulate_many(&to_seal, publics, &mut OsRng).iter().all(Result::is_ok)
            }),
        },
        Throughput {
            operation: "decrypt",
            one_thread: one_by_one(&|| decapsulate(&ciphertext, HEADER, user, &keys).is_ok()),
            all_processors: rate(&|| decapsulate_many(&to_open, user, &keys).iter().all(Result::is_ok)),
        },
    ])
}
