//! Electrodermal activity: a slow tonic level and, on top, skin conductance responses.
//!
//! A response has the shape of the Bateman function with rise and decay constants of 0.7 and 2.0 s, as in
//! cvxEDA (Greco et al., IEEE Trans. Biomed. Eng. 63:797, 2016). Responses come at random, three a minute at
//! rest and ten under stress, as Boucsein ("Electrodermal Activity", 2012) gives 1 to 3 and up to 20.

use crate::rng::Rng;

const RATE_HZ: f64 = 4.0;
const SAMPLES: usize = 3600 * RATE_HZ as usize;
const RISE_S: f64 = 0.7;
const DECAY_S: f64 = 2.0;
/// Two stressful episodes, as minutes of the hour.
const STRESS_MIN: [std::ops::Range<f64>; 2] = [15.0..23.0, 38.0..45.0];

/// An hour at 4 Hz, microsiemens.
pub(super) fn trace(rng: &mut Rng) -> Vec<f64> {
    let rest = rng.uniform(1.5..4.0);
    let mut tonic = rest;
    let (mut slow, mut fast) = (0.0, 0.0);
    // The Bateman function's peak, so that an amplitude is an amplitude.
    let peak_s = (DECAY_S / RISE_S).ln() / (1.0 / RISE_S - 1.0 / DECAY_S);
    let peak = (-peak_s / DECAY_S).exp() - (-peak_s / RISE_S).exp();
    (0..SAMPLES)
        .map(|i| {
            let minute = i as f64 / RATE_HZ / 60.0;
            let stress = STRESS_MIN.iter().any(|s| s.contains(&minute));
            let (level, per_minute) = if stress { (rest * 1.4, 10.0) } else { (rest, 3.0) };
            tonic += (level - tonic) / (90.0 * RATE_HZ) + 0.004 * rng.normal();
            if rng.unit() < per_minute / 60.0 / RATE_HZ {
                let amplitude = (0.25 * (0.6 * rng.normal()).exp()).min(2.0) / peak;
                (slow, fast) = (slow + amplitude, fast + amplitude);
            }
            let phasic = slow - fast;
            slow *= (-1.0 / RATE_HZ / DECAY_S).exp();
            fast *= (-1.0 / RATE_HZ / RISE_S).exp();
            (tonic + phasic + 0.002 * rng.normal()).max(0.2)
        })
        .collect()
}
