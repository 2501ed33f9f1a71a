//! Makes the rings of a design differ in nothing but silicon, and checks that they do: every loop has the same wires and
//! comes into its LUTs by the same physical pins.
//!
//! The LUTs have their places from `engine/rings.rs`, and a router left to itself gives all loops the same delay by its own
//! account. But it swaps the inputs of a LUT as it likes, and its account goes by the pin in the netlist: by icestorm's
//! timing the four inputs of an HX8K's LUT take 316 to 449 ps, which is more than ten times the spread of silicon. The bits
//! would be those of the routing, the same on every board. So [`script`] lays the wires of every ring before the router
//! comes, and [`check`] looks at what was routed, pip by pip, and at the delays.
//!
//! Rings are known by the names in the array: LUT `first_17_1_0` drives net `first_17_1_a` (side, tile, half).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::nextpnr::{Report, Routed, steps};
use super::tool;
use crate::Error;
use crate::engine::rings::RINGS;

/// A net of a ring.
struct Way {
    /// Last letter of its name.
    letter: char,
    /// The LUT of the ring that drives it, 0 to 2.
    from: usize,
    /// Which group of the tile's local tracks it takes; the track in the group is the number of the driving cell, which is
    /// the only one a cell reaches.
    group: usize,
    /// The LUT of the ring it goes to, by input 0.
    to: usize,
}

/// A cell's input 0 takes a track of an odd group if the numbers of driving and driven cell differ by an odd number, and of
/// an even group otherwise; so both halves of a tile can have the same. Tracks 4 to 7 of group 0 are left to global nets,
/// which enter a tile by no other.
const WAYS: [Way; 3] = [
    Way { letter: 'a', from: 0, group: 1, to: 1 },
    Way { letter: 'b', from: 1, group: 1, to: 2 },
    Way { letter: 'c', from: 2, group: 2, to: 0 },
];
/// The cell of a tile that ands its two rings: the last LUT of each also goes there, by the input of its half.
const AND: usize = 6;

impl Way {
    /// What connects the net in the half of a tile, as nextpnr names it, without coordinates.
    fn pips(&self, half: usize) -> Vec<String> {
        let cell = 3 * half + self.from;
        let local = format!("local_g{}_{cell}", self.group);
        let mut pips = vec![format!("lutff_{cell}:out.->.{local}")];
        let mut to = |cell: usize, input: usize| {
            let pin = format!("lutff_{cell}:in_{input}");
            pips.push(format!("{local}.->.{pin}"));
            pips.push(format!("{pin}.->.{pin}_lut"));
        };
        to(3 * half + self.to, 0);
        if self.letter == 'c' {
            to(AND, half);
        }
        pips
    }
}

/// For nextpnr to run before it routes.
pub fn script() -> String {
    let mut ways = String::new();
    for half in 0..2 {
        for way in &WAYS {
            let _ = writeln!(
                ways,
                "    \"{half}_{}\": ({}, {:?}),",
                way.letter,
                3 * half + way.from,
                way.pips(half)
            );
        }
    }
    SCRIPT.replace("WAYS", &ways)
}

/// A ring that is not where it should be is left as it is, and found later.
const SCRIPT: &str = r#"import re

ways = {
WAYS}
for name, net in ctx.nets:
    ring = re.search(r"(?:first|second)_\d+_([01]_[abc])$", name)
    if not ring:
        continue
    cell, pips = ways[ring.group(1)]
    bel = re.match(r"X(\d+)/Y(\d+)/lc(\d+)$", net.driver.cell.bel)
    if int(bel.group(3)) != cell:
        continue
    x, y = bel.group(1), bel.group(2)
    ctx.bindWire("X%s/Y%s/lutff_%d:out" % (x, y, cell), net, STRENGTH_LOCKED)
    for pip in pips:
        a, b = pip.split(".->.")
        ctx.bindPip("X%s/Y%s/%s.%s.%s.->.%s.%s.%s" % (x, y, x, y, a, x, y, b), net, STRENGTH_LOCKED)
"#;

/// LUTs of a ring.
const LUTS: usize = 3;
/// Counters must be this much faster than the rings; both are nominal, and drift together.
const COUNTER_MARGIN: f64 = 1.2;

/// The rings of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loops {
    /// How many there are.
    pub loops: u32,
    /// Delay of the three wires of each, by static timing, in picoseconds.
    pub wires_ps: u32,
    /// What each oscillates at, by static timing, in megahertz.
    pub ring_mhz: f64,
    /// What the slower of the two counters can run at, in megahertz.
    pub counter_mhz: f64,
}

impl std::fmt::Display for Loops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { loops, wires_ps, ring_mhz, counter_mhz } = self;
        write!(
            f,
            "{loops} rings alike ({wires_ps} ps of wire, {ring_mhz} MHz; counters to {counter_mhz} MHz)"
        )
    }
}

/// A LUT on the way round a ring: the pin the loop comes in by, the delay of the wire to it, and of the LUT from it.
type Stop = (String, u32, u32);

/// Reads `routed.json`, `top.sdf` and `report.json` in `dir`.
///
/// # Errors
/// [`Error::Rings`] if there are not [`RINGS`] loops, or not all alike, or the counters are too slow.
pub fn check(dir: &Path) -> Result<Loops, Error> {
    check_routing(&tool::read(&dir.join("routed.json"))?)?;
    let sdf = tool::read(&dir.join("top.sdf"))?;
    let report = Report::read(&dir.join("report.json"), "nextpnr-ice40")?;
    check_text(&String::from_utf8_lossy(&sdf), report.counter_mhz())
}

/// Every net of every ring is connected as `Way::pips` has it, within one tile.
pub fn check_routing(json: &[u8]) -> Result<(), Error> {
    let failed = |reason: String| Error::Rings { reason };
    let routed =
        Routed::read(json).map_err(|reason| failed(format!("nextpnr's routing is unreadable: {reason}")))?;
    let mut nets = 0;
    for (name, routing) in routed.nets() {
        let Some((half, way)) = way_of(name) else { continue };
        let Some(routing) = routing else {
            return Err(failed(format!("{name} is not routed")));
        };
        let pips = steps(routing).filter_map(|step| step.pip);
        let mut tiles = BTreeSet::new();
        let found: BTreeSet<String> = pips.map(|pip| within_tile(pip, &mut tiles)).collect();
        if found != way.pips(half).into_iter().collect() || tiles.len() != 1 {
            return Err(failed(format!("{name} is routed by {found:?} in {tiles:?}")));
        }
        nets += 1;
    }
    if nets == WAYS.len() * RINGS { Ok(()) } else { Err(failed(format!("{nets} nets of {RINGS} rings"))) }
}

/// `local_g1_1.->.lutff_2:in_0` of `X16/Y19/16.19.local_g1_1.->.16.19.lutff_2:in_0`; what is left out goes to `tiles`.
fn within_tile(pip: &str, tiles: &mut BTreeSet<String>) -> String {
    let (_, pip) = pip.rsplit_once('/').unwrap_or(("", pip));
    let ends = pip.split(".->.").map(|end| {
        let mut parts = end.splitn(3, '.');
        let (x, y) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        tiles.insert(format!("{x} {y}"));
        parts.next().unwrap_or_default()
    });
    ends.collect::<Vec<_>>().join(".->.")
}

/// Half and way of the net `core.rings.first_17_1_a`.
fn way_of(net: &str) -> Option<(usize, &'static Way)> {
    let at = net.rfind("first_").or_else(|| net.rfind("second_"))?;
    let [_, tile, half, letter] = net[at..].split('_').collect::<Vec<_>>()[..] else { return None };
    tile.parse::<u32>().ok()?;
    let way = WAYS.iter().find(|way| letter.len() == 1 && letter.starts_with(way.letter))?;
    Some((half.parse().ok().filter(|half| *half < 2)?, way))
}

/// [`check`] of the text of an SDF file; the slower counter can run at `counter_mhz`.
pub fn check_text(sdf: &str, counter_mhz: f64) -> Result<Loops, Error> {
    let loops = read(sdf);
    let failed = |reason: String| Error::Rings { reason };
    if loops.len() != RINGS {
        return Err(failed(format!("{} loops instead of {RINGS}", loops.len())));
    }
    let Some((name, first)) = loops.first_key_value() else {
        return Err(failed("no loops".to_owned()));
    };
    if first.len() != LUTS {
        return Err(failed(format!("{name} has {} LUTs instead of {LUTS}", first.len())));
    }
    let unlike: Vec<&str> =
        loops.iter().filter(|(_, stops)| *stops != first).map(|(name, _)| name.as_str()).collect();
    if let [other, ..] = unlike[..] {
        let count = unlike.len();
        return Err(failed(format!(
            "{count} differ from {name}, {other} is {:?}, not {first:?}",
            loops[other]
        )));
    }
    let wires_ps = first.values().map(|stop| stop.1).sum();
    let luts_ps: u32 = first.values().map(|stop| stop.2).sum();
    let ring_mhz = 1e6 / f64::from(2 * (wires_ps + luts_ps));
    if counter_mhz < COUNTER_MARGIN * ring_mhz || !counter_mhz.is_finite() {
        return Err(failed(format!("counters reach {counter_mhz:.1} MHz, rings {ring_mhz:.1} MHz")));
    }
    let rounded = |mhz: f64| (mhz * 10.0).round() / 10.0;
    Ok(Loops {
        loops: RINGS as u32,
        wires_ps,
        ring_mhz: rounded(ring_mhz),
        counter_mhz: rounded(counter_mhz),
    })
}

/// The LUTs of every loop, by the ring's name and the LUT's number.
fn read(sdf: &str) -> BTreeMap<String, BTreeMap<u8, Stop>> {
    let mut wires = vec![];
    let mut luts = BTreeMap::new();
    let mut instance = None;
    for line in sdf.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["(INTERCONNECT", from, to, delay, ..] => {
                if let (Some((ring, _)), Some((at, lut))) = (ring_of(from), ring_of(to))
                    && ring == at
                    && let (Some((_, pin)), Some(ps)) = (to.rsplit_once('/'), picoseconds(delay))
                {
                    wires.push((ring, lut, pin.to_owned(), ps));
                }
            }
            ["(INSTANCE", name] => instance = ring_of(name),
            ["(IOPATH", pin, "O", delay, ..] => {
                if let (Some(at), Some(ps)) = (&instance, picoseconds(delay)) {
                    luts.insert((at.clone(), pin.to_owned()), ps);
                }
            }
            _ => {}
        }
    }
    let mut loops = BTreeMap::<String, BTreeMap<u8, Stop>>::new();
    for (ring, lut, pin, wire) in wires {
        let through = luts.get(&((ring.clone(), lut), pin.clone())).copied().unwrap_or(0);
        loops.entry(ring).or_default().insert(lut, (pin, wire, through));
    }
    loops
}

/// The first of a triple like `(874:874:874)`.
fn picoseconds(triple: &str) -> Option<u32> {
    triple.trim_start_matches('(').split(':').next()?.parse().ok()
}

/// `first_17_1` and 0 of the cell `core.rings.first_17_1_0_LC` or its pin, however it is escaped.
fn ring_of(pin: &str) -> Option<(String, u8)> {
    let name: String = pin.chars().filter(|c| *c != '\\').collect();
    let at = name.find("first_").or_else(|| name.find("second_"))?;
    let parts: Vec<&str> = name[at..].split(['_', '/', ')']).collect();
    let [side, tile, half, lut, "LC", ..] = parts[..] else { return None };
    tile.parse::<u32>().ok()?;
    half.parse::<u32>().ok()?;
    Some((format!("{side}_{tile}_{half}"), lut.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nextpnr writes it; the wire into the last LUT of ring `second_3_1` takes `last_ps`.
    fn sdf(rings: usize, last_ps: u32) -> String {
        let mut text = String::new();
        for ring in 0..rings {
            let side = if ring % 2 == 0 { "first" } else { "second" };
            let name = format!("core\\$rings.{side}_{}_{}", ring / 4, ring / 2 % 2);
            for lut in 0..3 {
                let ps = if lut == 2 && name.ends_with("second_3_1") { last_ps } else { 588 };
                let (from, to) = (format!("{name}_{}_LC", (lut + 2) % 3), format!("{name}_{lut}_LC"));
                text += &format!(
                    "(INTERCONNECT {from}/O {to}/I0 ({ps}:{ps}:{ps}) ({ps}:{ps}:{ps}))\n\
                     (INTERCONNECT core.enable_LC/O {to}/I1 (7:7:7) (7:7:7))\n\
                     (INSTANCE {to})\n(IOPATH I1 O (7:7:7) (7:7:7))\n(IOPATH I0 O (448:449:449) (448:449:449))\n"
                );
            }
        }
        text + "(INSTANCE core.first_count_1_LC)\n(IOPATH I0 O (9:9:9) (9:9:9))\n"
    }

    fn reason(text: &str, counter_mhz: f64) -> String {
        match check_text(text, counter_mhz) {
            Err(Error::Rings { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn loops_alike_pass_and_are_measured() {
        let loops = check_text(&sdf(RINGS, 588), 250.0).unwrap();
        assert_eq!(loops, Loops { loops: 512, wires_ps: 1764, ring_mhz: 160.9, counter_mhz: 250.0 });
    }

    /// As nextpnr writes it; the net `second_3_1_b` is routed by other pips.
    fn routed(rings: usize, other: Option<(&str, &str)>) -> Vec<u8> {
        let mut netnames = serde_json::Map::new();
        for ring in 0..rings {
            let (side, tile, half) = (["first", "second"][ring % 2], ring / 4, ring / 2 % 2);
            let (x, y) = (9 + tile % 8, 9 + tile / 8);
            for way in &WAYS {
                let name = format!("core.rings.{side}_{tile}_{half}_{}", way.letter);
                let mut routing = format!("X{x}/Y{y}/lutff_{}:out;;1", 3 * half + way.from);
                for pip in way.pips(half) {
                    let (a, b) = pip.split_once(".->.").unwrap();
                    let _ = write!(routing, ";X{x}/Y{y}/{b};X{x}/Y{y}/{x}.{y}.{a}.->.{x}.{y}.{b};4");
                }
                if let (Some((from, to)), "core.rings.second_3_1_b") = (other, name.as_str()) {
                    assert!(routing.contains(from));
                    routing = routing.replace(from, to);
                }
                netnames
                    .insert(name, serde_json::json!({ "attributes": { "ROUTING": routing, "keep": "1" } }));
            }
        }
        netnames.insert("core.led".to_owned(), serde_json::json!({ "attributes": {} }));
        serde_json::json!({ "modules": { "top": { "netnames": netnames } } }).to_string().into_bytes()
    }

    #[test]
    fn another_pin_track_or_tile_fails() {
        assert!(check_routing(&routed(RINGS, None)).is_ok());
        for (from, to) in
            [("lutff_5:in_0.->", "lutff_5:in_2.->"), ("local_g1_4", "local_g3_4"), ("12.9.lut", "12.8.lut")]
        {
            let Err(Error::Rings { reason }) = check_routing(&routed(RINGS, Some((from, to)))) else {
                panic!("{to}")
            };
            assert!(reason.starts_with("core.rings.second_3_1_b is routed by"), "{reason}");
        }
        assert!(check_routing(&routed(RINGS - 1, None)).is_err());
        assert!(check_routing(b"{}").is_err());
    }

    #[test]
    fn a_picosecond_a_missing_ring_and_slow_counters_fail() {
        assert!(reason(&sdf(RINGS, 589), 250.0).starts_with("1 differ from first_0_0, second_3_1 is"));
        assert_eq!(reason(&sdf(RINGS - 1, 588), 250.0), "511 loops instead of 512");
        assert_eq!(reason("", 250.0), "0 loops instead of 512");
        assert_eq!(reason(&sdf(RINGS, 588), 190.0), "counters reach 190.0 MHz, rings 160.9 MHz");
        assert!(reason(&sdf(RINGS, 588), f64::INFINITY).starts_with("counters"));
    }
}
