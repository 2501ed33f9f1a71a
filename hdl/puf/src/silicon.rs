//! The simulated silicon: what ring frequencies a chip has, at which temperature, supply and age.
//!
//! The frequency of a ring is that of its chip times one plus a sum of relative deviations: the layout, common to all
//! chips of a design; the chip's own smooth surface over the array; the ring's own random part; its share of temperature,
//! supply and age; noise. The parameters, each with its origin, are in `silicon.toml`. A chip is a function of a 32-byte
//! seed, a power-up is a function of chip and number.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::rng::Rng;
use crate::{RINGS, RINGS_PER_ROW};

/// Conditions the helper data was made under: 25 degrees, 1.2 V, a new chip.
pub const ROOM: Condition = Condition { celsius: 25.0, volts: NOMINAL_VOLTS, years: 0.0 };
/// Nominal core supply of iCE40.
pub const NOMINAL_VOLTS: f64 = 1.2;
/// The corners the failure budget is made for: junction temperature, core supply, age.
pub const CORNERS: [Condition; 4] = [
    Condition { celsius: 0.0, volts: 1.14, years: 10.0 },
    Condition { celsius: 0.0, volts: 1.26, years: 10.0 },
    Condition { celsius: 70.0, volts: 1.14, years: 10.0 },
    Condition { celsius: 70.0, volts: 1.26, years: 10.0 },
];

/// Temperature, supply and age of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// Junction temperature, degrees Celsius.
    pub celsius: f64,
    /// Core supply, volts.
    pub volts: f64,
    /// Years since enrolment.
    pub years: f64,
}

/// Which device a ring is simulated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// iCE40 HX8K.
    Hx8k,
    /// iCE40 UltraPlus 5K.
    Up5k,
}

/// A number of `silicon.toml` with where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The number.
    pub value: f64,
    /// What it is.
    pub unit: String,
    /// Measured or assumed.
    pub origin: Origin,
    /// Why this number, where the unit does not say it.
    #[serde(default)]
    pub why: String,
}

/// Several numbers of `silicon.toml` with where they come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters<const N: usize> {
    /// The numbers.
    #[serde(deserialize_with = "array")]
    pub values: [f64; N],
    /// What they are.
    pub unit: String,
    /// Measured or assumed.
    pub origin: Origin,
}

/// Where a parameter comes from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Computed from the public measurements named in `silicon.toml`.
    Measured,
    /// Chosen, for the reason given with it.
    Assumed,
}

fn array<'de, D: serde::Deserializer<'de>, const N: usize>(from: D) -> Result<[f64; N], D::Error> {
    let values = Vec::<f64>::deserialize(from)?;
    let found = values.len();
    values.try_into().map_err(|_| serde::de::Error::custom(format!("{found} values where {N} belong")))
}

/// `silicon.toml`: the population a chip is drawn from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // each is described in `silicon.toml`
pub struct Silicon {
    pub chip_spread: Parameter,
    pub ring_spread: Parameter,
    pub ring_spread_variation: Parameter,
    pub layout_bowl: Parameters<5>,
    pub layout_row: Parameter,
    pub layout_ring: Parameter,
    pub surface: Parameters<7>,
    pub noise_common: Parameter,
    pub noise_slow: Parameter,
    pub noise_white: Parameter,
    pub temperature_common: Parameter,
    pub temperature_ring: Parameter,
    pub voltage_common: Parameter,
    pub voltage_ring: Parameter,
    pub ageing_common: Parameter,
    pub ageing_ring: Parameter,
    pub ageing_exponent: Parameter,
    pub hx8k_frequency_hz: Parameter,
    pub up5k_frequency_hz: Parameter,
}

/// Names the layout all simulated chips share; another number is another design.
const DESIGN: [u8; 32] = *b"twinseal ring array, design no 1";

impl Silicon {
    /// The population the project is evaluated with.
    pub fn of_the_project() -> Result<Self, Error> {
        Self::parse(include_str!("../silicon.toml"))
    }

    /// A population from the text of a file like `silicon.toml`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let silicon: Self = toml::from_str(text).map_err(|e| Error::Silicon(e.to_string()))?;
        let spreads = [
            (&silicon.chip_spread, 0.15),
            (&silicon.ring_spread, 0.05),
            (&silicon.ring_spread_variation, 0.3),
            (&silicon.layout_row, 0.05),
            (&silicon.layout_ring, 0.05),
            (&silicon.noise_common, 0.01),
            (&silicon.noise_slow, 0.01),
            (&silicon.noise_white, 0.01),
            (&silicon.temperature_ring, 0.001),
            (&silicon.voltage_ring, 1.0),
            (&silicon.ageing_ring, 0.05),
        ];
        for (parameter, most) in spreads {
            if !(0.0..=most).contains(&parameter.value) {
                return Err(Error::Silicon(format!(
                    "{} is not 0 to {most}: {}",
                    parameter.value, parameter.unit
                )));
            }
        }
        for parameter in [&silicon.hx8k_frequency_hz, &silicon.up5k_frequency_hz] {
            if !(1e6..=1e9).contains(&parameter.value) {
                return Err(Error::Silicon(format!(
                    "{} is not 1e6 to 1e9: {}",
                    parameter.value, parameter.unit
                )));
            }
        }
        Ok(silicon)
    }

    /// The same population with everything that drifts apart with temperature, supply and age scaled by `factor`.
    pub fn with_drift(mut self, factor: f64) -> Self {
        self.temperature_ring.value *= factor;
        self.voltage_ring.value *= factor;
        self.ageing_ring.value *= factor;
        self
    }

    /// The part of a ring's deviation that every chip of the design has.
    fn layout(&self) -> Vec<f64> {
        let bowl = &self.layout_bowl.values;
        let mut rows = Rng::new(&DESIGN, "row", 0);
        let mut rings = Rng::new(&DESIGN, "ring", 0);
        let mut row_offset = 0.0;
        (0..RINGS)
            .map(|ring| {
                if ring % RINGS_PER_ROW == 0 {
                    row_offset = self.layout_row.value * rows.normal();
                }
                let smooth: f64 = basis(ring).iter().zip(bowl).map(|(b, c)| b * c).sum();
                smooth + row_offset + self.layout_ring.value * rings.normal()
            })
            .collect()
    }
}

/// Legendre polynomials x, y, xx, xy, yy, xxx, yyy of a ring's place, each coordinate from -1 to 1.
fn basis(ring: usize) -> [f64; 7] {
    let at = |index: usize, count: usize| 2.0 * index as f64 / (count - 1) as f64 - 1.0;
    let x = at(ring % RINGS_PER_ROW, RINGS_PER_ROW);
    let y = at(ring / RINGS_PER_ROW, RINGS / RINGS_PER_ROW);
    let second = |t: f64| 1.5 * t * t - 0.5;
    let third = |t: f64| 2.5 * t * t * t - 1.5 * t;
    [x, y, second(x), x * y, second(y), third(x), third(y)]
}

/// One virtual chip.
#[derive(Clone, Debug)]
pub struct Chip {
    seed: [u8; 32],
    ring_spread: f64,
    frequency_hz: f64,
    rings: Vec<Ring>,
    common: Ring,
    ageing_exponent: f64,
    noise_common: f64,
    noise_slow: f64,
    noise_white: f64,
}

/// What a ring differs in from the chip; or what all of its rings share.
#[derive(Clone, Copy, Debug)]
struct Ring {
    deviation: f64,
    per_kelvin: f64,
    per_volt_ratio: f64,
    in_ten_years: f64,
}

impl Ring {
    fn at(&self, condition: &Condition, ageing: f64) -> f64 {
        self.deviation
            + self.per_kelvin * (condition.celsius - ROOM.celsius)
            + self.per_volt_ratio * (condition.volts / NOMINAL_VOLTS - 1.0)
            + self.in_ten_years * ageing
    }
}

/// Draws the chips of one population. Keeps what they share.
#[derive(Clone, Debug)]
pub struct Foundry {
    silicon: Silicon,
    layout: Vec<f64>,
    frequency_hz: f64,
}

impl Foundry {
    /// Chips of `silicon` on `device`.
    pub fn new(silicon: Silicon, device: Device) -> Self {
        let frequency_hz = match device {
            Device::Hx8k => silicon.hx8k_frequency_hz.value,
            Device::Up5k => silicon.up5k_frequency_hz.value,
        };
        Self { layout: silicon.layout(), silicon, frequency_hz }
    }

    /// The same with `bias` added to the layout that all chips share: of every ring, relative.
    pub fn with_bias(mut self, bias: &[f64]) -> Self {
        self.layout.iter_mut().zip(bias).for_each(|(layout, bias)| *layout += bias);
        self
    }

    /// The chip of `seed`.
    pub fn chip(&self, seed: [u8; 32]) -> Chip {
        let s = &self.silicon;
        let mut rng = Rng::new(&seed, "chip", 0);
        // Clamped at four deviations, so that no seed gives a chip that no foundry would ship.
        let mut chip_normal = || rng.normal().clamp(-4.0, 4.0);
        let chip = 1.0 + s.chip_spread.value * chip_normal();
        let spread = s.ring_spread.value * (1.0 + s.ring_spread_variation.value * chip_normal()).max(0.5);
        let surface = s.surface.values.map(|sigma| sigma * chip_normal());
        let mut rings = Rng::new(&seed, "rings", 0);
        let rings = (0..RINGS)
            .map(|ring| {
                let smooth: f64 = basis(ring).iter().zip(surface).map(|(b, c)| b * c).sum();
                Ring {
                    deviation: self.layout[ring] + smooth + spread * rings.normal(),
                    per_kelvin: s.temperature_ring.value * rings.normal(),
                    per_volt_ratio: s.voltage_ring.value * rings.normal(),
                    in_ten_years: s.ageing_ring.value * rings.normal(),
                }
            })
            .collect();
        Chip {
            seed,
            ring_spread: spread,
            frequency_hz: self.frequency_hz * chip,
            rings,
            common: Ring {
                deviation: 0.0,
                per_kelvin: s.temperature_common.value,
                per_volt_ratio: s.voltage_common.value,
                in_ten_years: s.ageing_common.value,
            },
            ageing_exponent: s.ageing_exponent.value,
            noise_common: s.noise_common.value,
            noise_slow: s.noise_slow.value,
            noise_white: s.noise_white.value,
        }
    }

    /// The chip numbered `number` of the population `seed`.
    pub fn numbered(&self, seed: u64, number: u64) -> Chip {
        let mut chip = [0; 32];
        chip[..8].copy_from_slice(&seed.to_le_bytes());
        chip[8..16].copy_from_slice(&number.to_le_bytes());
        self.chip(chip)
    }
}

impl Chip {
    /// The chip of `seed` on `device`, from the population of the project: what a virtual board is made with.
    pub fn of_the_project(seed: [u8; 32], device: Device) -> Result<Self, Error> {
        Ok(Foundry::new(Silicon::of_the_project()?, device).chip(seed))
    }

    /// Standard deviation of the rings' own deviations that this chip was drawn with.
    pub fn ring_spread(&self) -> f64 {
        self.ring_spread
    }

    /// Every ring's frequency in hertz at `condition`, without noise.
    pub fn frequencies(&self, condition: &Condition) -> Vec<f64> {
        let ageing = (condition.years / 10.0).powf(self.ageing_exponent);
        let common = 1.0 + self.common.at(condition, ageing);
        self.rings.iter().map(|r| self.frequency_hz * common * (1.0 + r.at(condition, ageing))).collect()
    }

    /// Switches the chip on for the `number`-th time.
    pub fn power_up(&self, condition: &Condition, number: u64) -> PowerUp {
        let mut rng = Rng::new(&self.seed, "power-up", number);
        let mut quiet = self.frequencies(condition);
        for hertz in &mut quiet {
            *hertz *= 1.0 + self.noise_slow * rng.normal();
        }
        PowerUp { quiet, rng, noise_common: self.noise_common, noise_white: self.noise_white }
    }
}

/// A chip that is switched on. Every sample has noise of its own.
#[derive(Clone, Debug)]
pub struct PowerUp {
    quiet: Vec<f64>,
    rng: Rng,
    noise_common: f64,
    noise_white: f64,
}

/// Fraction bits of [`edges_per_clock`].
pub const EDGE_FRACTION_BITS: u32 = 16;

impl PowerUp {
    /// One sample of every ring, in hertz.
    pub fn sample(&mut self) -> Vec<f64> {
        let common = 1.0 + self.noise_common * self.rng.normal();
        let Self { quiet, rng, noise_white, .. } = self;
        quiet.iter().map(|hertz| hertz * common * (1.0 + *noise_white * rng.normal())).collect()
    }

    /// One sample of every ring as the step of its simulated counter, see [`edges_per_clock`].
    pub fn sample_steps(&mut self, clock_hz: u32) -> Vec<u32> {
        self.sample().into_iter().map(|hertz| edges_per_clock(hertz, clock_hz)).collect()
    }
}

/// What a simulated ring counter adds in a clock, in 2^-16 rising edges. A counter that starts from zero shows
/// `steps * clocks >> 16` after a number of clocks: the same integer in the golden model and in Verilog.
pub fn edges_per_clock(hertz: f64, clock_hz: u32) -> u32 {
    (hertz / f64::from(clock_hz) * f64::from(1u32 << EDGE_FRACTION_BITS)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foundry() -> Foundry {
        Foundry::new(Silicon::of_the_project().unwrap(), Device::Hx8k)
    }

    #[test]
    fn a_seed_is_a_chip_and_a_number_is_a_power_up() {
        let f = foundry();
        let chip = f.chip([1; 32]);
        assert_eq!(chip.frequencies(&ROOM), f.chip([1; 32]).frequencies(&ROOM));
        assert_ne!(chip.frequencies(&ROOM), f.chip([2; 32]).frequencies(&ROOM));
        let sample = |number| chip.power_up(&ROOM, number).sample();
        assert_eq!(sample(0), sample(0));
        assert_ne!(sample(0), sample(1));
        let mut on = chip.power_up(&ROOM, 0);
        assert_ne!(on.sample(), on.sample());
    }

    #[test]
    fn a_file_with_an_unknown_missing_or_absurd_parameter_is_refused() {
        let text = include_str!("../silicon.toml");
        assert!(Silicon::parse(text).is_ok());
        for (from, to) in [
            ("[noise_white]", "[noise_whyte]"),
            ("value = 0.00497", "value = -0.1"),
            ("value = 0.00497", "value = nan"),
            ("origin = \"measured\"", "origin = \"guessed\""),
            ("value = 160.9e6", "value = 0.0"),
            ("0.00120, 0.00157]", "0.00120]"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(Silicon::parse(&text.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn warmth_and_a_low_supply_slow_the_rings() {
        let chip = foundry().chip([3; 32]);
        let mean = |c: &Condition| chip.frequencies(c).iter().sum::<f64>() / RINGS as f64;
        assert!(mean(&Condition { celsius: 70.0, ..ROOM }) < mean(&ROOM));
        assert!(mean(&Condition { volts: 1.14, ..ROOM }) < mean(&ROOM));
        assert!(mean(&Condition { years: 10.0, ..ROOM }) < mean(&ROOM));
    }
}
