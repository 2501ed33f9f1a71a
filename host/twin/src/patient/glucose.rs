//! Glucose of a person with impaired tolerance (prediabetes), minute by minute.
//!
//! Plasma glucose G, insulin action X and plasma insulin I follow the minimal model of Bergman et al. (Am. J.
//! Physiol. 236:E667, 1979), with the insulin secretion of its third equation made autonomous:
//!
//! ```text
//! dG/dt = -p1 (G - Gb) - X G + Ra(t) + dawn(t)      mg/dL/min
//! dX/dt = -p2 X + p3 (I - Ib)                       1/min^2
//! dI/dt = -n (I - Ib) + gamma max(G - h, 0)         mU/L/min
//! ```
//!
//! Meals reach the blood through two gut compartments with one time constant (Hovorka et al., Physiol. Meas.
//! 25:905, 2004): `Ra = D2 / (t_max V_G w)`. The dawn effect is a raised cosine of extra hepatic glucose from
//! 03:00 to 09:00. The sensor sees the interstitium: a first-order lag of 8 minutes (Keenan et al. 2009 give 5
//! to 10), then correlated noise; it warms up for two hours on days 1 and 11, and loses its signal at times.

use crate::rng::Rng;

const MINUTES_PER_DAY: usize = 1440;

/// Basal glucose, mg/dL.
const GB_MG_DL: f64 = 108.0;
/// Basal insulin, mU/L.
const IB_MU_L: f64 = 11.0;
/// Glucose effectiveness, 1/min.
const P1: f64 = 0.020;
/// Decay of insulin action, 1/min.
const P2: f64 = 0.025;
/// Gain of insulin action, 1/min^2 per mU/L: p3/p2 is the insulin sensitivity, about a third of normal.
const P3: f64 = 5.0e-6;
/// Insulin clearance, 1/min.
const N: f64 = 0.14;
/// Pancreatic response, mU/L/min per mg/dL above `H_MG_DL`.
const GAMMA: f64 = 0.080;
const H_MG_DL: f64 = 105.0;

/// Time to maximum appearance of a meal, min.
const T_MAX_MIN: f64 = 40.0;
/// Share of carbohydrates that reaches the blood.
const BIOAVAILABILITY: f64 = 0.8;
/// Distribution volume of glucose for the whole body: 1.88 dL/kg x 80 kg.
const VOLUME_DL: f64 = 1.88 * 80.0;

/// Extra hepatic glucose at the height of dawn, mg/dL/min.
const DAWN_MG_DL_MIN: f64 = 0.45;

/// What the model leaves out (activity, stress, fat and protein): a wandering basal level, its standard
/// deviation and how long it remembers.
const WANDER_SD_MG_DL: f64 = 9.0;
const WANDER_MIN: f64 = 240.0;

const SENSOR_LAG_MIN: f64 = 8.0;
/// Standard deviation and correlation over five minutes of the sensor's noise.
const NOISE_SD_MG_DL: f64 = 2.5;
const NOISE_CORRELATION: f64 = 0.8;
const SENSOR_LIFE_CELLS: usize = 10 * 288;
const WARM_UP_CELLS: usize = 24;

pub(super) struct Intake {
    pub(super) minute: usize,
    pub(super) carbohydrates_g: f64,
}

/// Three meals a day around their hours, and a snack on four days of ten.
pub(super) fn meals(rng: &mut Rng, days: u32) -> Vec<Intake> {
    let mut meals = Vec::new();
    for day in 0..days as usize {
        let mut eat = |rng: &mut Rng, hour: f64, grams: f64| {
            let minute = (hour * 60.0 + 45.0 * rng.normal()).clamp(0.0, 1439.0);
            let carbohydrates_g = (grams * (1.0 + 0.4 * rng.normal())).clamp(10.0, 150.0);
            meals.push(Intake { minute: day * MINUTES_PER_DAY + minute as usize, carbohydrates_g });
        };
        eat(rng, 7.5, 45.0);
        eat(rng, 12.5, 60.0);
        if rng.unit() < 0.4 {
            eat(rng, 16.0, 20.0);
        }
        eat(rng, 18.75, 70.0);
    }
    meals.sort_by_key(|m| m.minute);
    meals
}

/// Plasma glucose every minute, mg/dL.
pub(super) fn plasma(rng: &mut Rng, days: u32, meals: &[Intake]) -> Vec<f64> {
    // People differ: sensitivity and basal level vary by person, sensitivity also from day to day.
    let person = 1.0 + 0.15 * rng.normal().clamp(-2.0, 2.0);
    let basal = GB_MG_DL + 4.0 * rng.normal().clamp(-2.0, 2.0);
    let (mut g, mut x, mut i) = (basal, 0.0, IB_MU_L);
    let (mut gut1_mg, mut gut2_mg) = (0.0, 0.0);
    let (mut sensitivity, mut wander) = (person, 0.0);
    let mut next_meal = meals.iter().peekable();
    let mut plasma = Vec::with_capacity(days as usize * MINUTES_PER_DAY);
    for minute in 0..days as usize * MINUTES_PER_DAY {
        if minute % MINUTES_PER_DAY == 0 {
            sensitivity = person * (1.0 + 0.12 * rng.normal()).clamp(0.6, 1.4);
        }
        while let Some(meal) = next_meal.next_if(|m| m.minute <= minute) {
            gut1_mg += BIOAVAILABILITY * meal.carbohydrates_g * 1000.0;
        }
        plasma.push(g);
        let appearance = gut2_mg / T_MAX_MIN / VOLUME_DL;
        wander += -wander / WANDER_MIN + WANDER_SD_MG_DL * (2.0 / WANDER_MIN).sqrt() * rng.normal();
        let dg = -P1 * (g - basal - wander) - x * g + appearance + dawn(minute % MINUTES_PER_DAY);
        let dx = -P2 * x + sensitivity * P3 * (i - IB_MU_L);
        let di = -N * (i - IB_MU_L) + GAMMA * (g - H_MG_DL).max(0.0);
        gut2_mg += (gut1_mg - gut2_mg) / T_MAX_MIN;
        gut1_mg -= gut1_mg / T_MAX_MIN;
        // One-minute Euler steps: every time constant is above seven minutes.
        (g, x, i) = ((g + dg).max(20.0), x + dx, i + di);
    }
    plasma
}

/// Extra hepatic glucose at a minute of the day, mg/dL/min.
fn dawn(minute: usize) -> f64 {
    let phase = (minute as f64 - 180.0) / 360.0;
    if !(0.0..=1.0).contains(&phase) {
        return 0.0;
    }
    DAWN_MG_DL_MIN * 0.5 * (1.0 - (std::f64::consts::TAU * phase).cos())
}

/// The sensor's reading every five minutes; `None` where it has none.
pub(super) fn sensor(rng: &mut Rng, plasma: &[f64]) -> Vec<Option<f64>> {
    let mut interstitial = plasma.first().copied().unwrap_or(GB_MG_DL);
    let mut noise = 0.0;
    let mut readings = Vec::with_capacity(plasma.len() / 5);
    for (minute, g) in plasma.iter().enumerate() {
        interstitial += (g - interstitial) / SENSOR_LAG_MIN;
        if minute % 5 == 0 {
            let innovation = (1.0 - NOISE_CORRELATION * NOISE_CORRELATION).sqrt();
            noise = NOISE_CORRELATION * noise + innovation * NOISE_SD_MG_DL * rng.normal();
            let warm = (minute / 5) % SENSOR_LIFE_CELLS >= WARM_UP_CELLS;
            readings.push(warm.then_some(interstitial + noise));
        }
    }
    lose(rng, &mut readings);
    readings
}

/// Single lost readings and runs of them (a phone left behind), 6 to 12 % in all.
fn lose(rng: &mut Rng, readings: &mut [Option<f64>]) {
    let n = readings.len();
    let target = (n as f64 * rng.uniform(0.06..0.12)) as usize;
    let mut lost = readings.iter().filter(|r| r.is_none()).count();
    while lost < target {
        let length = match rng.unit() {
            u if u < 0.6 => 1 + rng.below(2),
            u if u < 0.9 => 3 + rng.below(9),
            _ => 12 + rng.below(36),
        };
        let start = rng.below(n);
        for reading in readings[start..].iter_mut().take(length.min(target - lost)) {
            lost += usize::from(reading.take().is_some());
        }
    }
}
