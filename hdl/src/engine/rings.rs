//! 512 rings of LUTs and the two counters that read a pair of them (docs/decisions/0005-puf-and-vault.md).
//!
//! Pair `j` is ring `2 j` against ring `2 j + 1`: the same half of two tiles side by side. Bits 0 to 2 of the pair choose
//! the tiles' columns, bit 3 the half, bits 4 to 7 the row. A ring has three enables at its first LUT (8 for the column, 8
//! for the upper row bits, 4 for the lowest and the half), so only one pair runs and nothing is decoded ring by ring. A LUT
//! of every tile ands its two rings, an idle one being one, and what up to two other tiles hand it: so no loop is loaded by
//! the way to the counters, and the way costs no further LUT. Each side of the pair clocks a counter of its own.
//!
//! A simulated array has an accumulator in place of each counter, with a step for every ring.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

use super::rings_ecp5;

/// Rings of the array.
pub const RINGS: usize = 512;
/// Bits of the accumulator below the count.
const FRACTION_BITS: u32 = 16;
pub(super) const COLUMN_PAIRS: usize = 8;
const ROWS: usize = 16;

/// Where the tiles of the array are: the left and right column of each column pair, and the first of 16 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    columns: [(u8, u8); COLUMN_PAIRS],
    first_row: u8,
}

impl Place {
    /// Where the last LUT of every ring is, whose output is the ring's: column, row, and which of the tile's eight.
    pub fn outputs(&self) -> impl Iterator<Item = (u8, u8, u8)> {
        let (columns, first_row) = (self.columns, self.first_row);
        (0..ROWS as u8).flat_map(move |row| {
            let tiles = columns.into_iter().flat_map(|(left, right)| [left, right]);
            tiles.flat_map(move |x| [2, 5].map(|lut| (x, first_row + row, lut)))
        })
    }
}

/// In the middle of the HX8K, between its two columns of block RAM.
pub const HX8K: Place = Place {
    columns: [(9, 10), (11, 12), (13, 14), (15, 16), (17, 18), (19, 20), (21, 22), (23, 24)],
    first_row: 9,
};
/// In the middle of the UP5K, around its columns of block RAM at 6 and 19.
pub const UP5K: Place = Place {
    columns: [(3, 4), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18), (20, 21)],
    first_row: 7,
};

/// What a ring is made of.
#[derive(Clone, Debug)]
enum Kind {
    /// Steps in 2^-16 edges a clock.
    Simulated(Vec<u32>),
    /// LUTs of an iCE40.
    Placed(Place),
    /// LUTs of an ECP5.
    PlacedOnEcp5(rings_ecp5::Place),
}

/// The array. `pair` is steady from a clock before `run` to a clock after it, `clear` comes when no ring runs, and the
/// counts are steady from two clocks after `run`.
#[derive(LogicBlock)]
pub struct Rings {
    /// Clock of the window, not of the rings.
    pub clock: Signal<In, Clock>,
    /// Which pair.
    pub pair: Signal<In, Bits<8>>,
    /// Both rings run and are counted for as many clocks as this is high.
    pub run: Signal<In, Bit>,
    /// Both counts become zero.
    pub clear: Signal<In, Bit>,
    /// Edges of ring `2 pair`, modulo 2^16.
    pub first: Signal<Out, Bits<16>>,
    /// Edges of ring `2 pair + 1`, modulo 2^16.
    pub second: Signal<Out, Bits<16>>,
    _kind: Kind,
    _running: bool,
    _clearing: bool,
    _sums: [u32; 2],
}

impl Rings {
    /// An array of accumulators: `steps` in 2^-16 edges a clock, for each of the [`RINGS`]. After a window they show
    /// `step * clocks >> 16`.
    pub fn simulated(steps: Vec<u32>) -> Self {
        assert_eq!(steps.len(), RINGS, "a step for every ring");
        Self::new(Kind::Simulated(steps))
    }

    /// An array of LUTs at their places; rust-hdl cannot simulate it.
    pub fn placed(place: Place) -> Self {
        Self::new(Kind::Placed(place))
    }

    /// The same on ECP5.
    pub fn placed_on_ecp5(place: rings_ecp5::Place) -> Self {
        Self::new(Kind::PlacedOnEcp5(place))
    }

    fn new(kind: Kind) -> Self {
        Self {
            clock: Default::default(),
            pair: Default::default(),
            run: Default::default(),
            clear: Default::default(),
            first: Default::default(),
            second: Default::default(),
            _kind: kind,
            _running: false,
            _clearing: false,
            _sums: [0; 2],
        }
    }
}

impl Logic for Rings {
    fn update(&mut self) {
        let Kind::Simulated(steps) = &self._kind else { return };
        if self.clock.pos_edge() {
            let pair = self.pair.val().index();
            for (sum, step) in self._sums.iter_mut().zip(&steps[2 * pair..]) {
                if self._clearing {
                    *sum = 0;
                } else if self._running {
                    *sum = sum.wrapping_add(*step);
                }
            }
            self._running = self.run.val();
            self._clearing = self.clear.val();
        }
        self.first.next = u64::from(self._sums[0] >> FRACTION_BITS).into();
        self.second.next = u64::from(self._sums[1] >> FRACTION_BITS).into();
    }

    fn connect(&mut self) {
        self.first.connect();
        self.second.connect();
    }

    fn hdl(&self) -> Verilog {
        match &self._kind {
            Kind::Simulated(steps) => {
                Verilog::Wrapper(Wrapper { code: simulated(steps), cores: String::new() })
            }
            Kind::Placed(place) => {
                Verilog::Wrapper(Wrapper { code: placed(place), cores: PRIMITIVES.into() })
            }
            Kind::PlacedOnEcp5(place) => Verilog::Wrapper(Wrapper {
                code: rings_ecp5::placed(place),
                cores: rings_ecp5::PRIMITIVES.into(),
            }),
        }
    }
}

/// What yosys has to know of the primitives before `synth_ice40` brings its own.
const PRIMITIVES: &str = "
(* blackbox *) module SB_LUT4(output O, input I0, input I1, input I2, input I3);
   parameter [15:0] LUT_INIT = 16'h0000;
endmodule
(* blackbox *) module SB_DFF(output Q, input C, input D);
endmodule
";

/// `steps` is public to Verilator: a virtual board puts its silicon there. It has time to do so, with a new sample of every
/// ring, in the clock in which `running` becomes high with `running_pair` zero: nothing has been added up yet.
fn simulated(steps: &[u32]) -> String {
    let mut code = format!(
        "
reg [31:0] steps [0:{}] /* verilator public_flat_rw */;
reg [31:0] sum_first, sum_second;
reg running /* verilator public_flat_rd */;
wire [7:0] running_pair /* verilator public_flat_rd */ = pair;
reg clearing;
assign first = sum_first[31:{FRACTION_BITS}];
assign second = sum_second[31:{FRACTION_BITS}];
initial begin
   sum_first = 0;
   sum_second = 0;
   running = 0;
   clearing = 0;
",
        RINGS - 1
    );
    for (ring, step) in steps.iter().enumerate() {
        let _ = writeln!(code, "   steps[{ring}] = {step};");
    }
    code.push_str(
        "end
always @(posedge clock) begin
   running <= run;
   clearing <= clear;
   if (clearing) begin
      sum_first <= 0;
      sum_second <= 0;
   end else if (running) begin
      sum_first <= sum_first + steps[{pair, 1'b0}];
      sum_second <= sum_second + steps[{pair, 1'b1}];
   end
end
",
    );
    code
}

/// The tree that ands the tiles of one side, in `rows` of [`COLUMN_PAIRS`]: for every tile, the at most `most` tiles whose
/// ands it takes in; and the tile on top.
///
/// The middle tile of an area takes in the middles of its parts, across the longer side, and so on down: every tile has a
/// place in it, no LUT is added, and wires get shorter towards the leaves.
pub(super) fn tree(rows: usize, most: usize) -> (Vec<Vec<usize>>, usize) {
    fn top_of(mut area: Vec<usize>, most: usize, children: &mut [Vec<usize>]) -> usize {
        let (row, column) = (|tile: &usize| tile / COLUMN_PAIRS, |tile: &usize| tile % COLUMN_PAIRS);
        let width = |at: &dyn Fn(&usize) -> usize| {
            area.iter().map(at).max().unwrap_or(0) - area.iter().map(at).min().unwrap_or(0)
        };
        // Two columns are some three times as far apart as two rows.
        if width(&row) > 3 * width(&column) {
            area.sort_by_key(|tile| (row(tile), column(tile)));
        } else {
            area.sort_by_key(|tile| (column(tile), row(tile)));
        }
        let top = area.remove(area.len() / 2);
        let parts = area.chunks(area.len().div_ceil(most).max(1));
        children[top] = parts.map(|part| top_of(part.to_vec(), most, children)).collect();
        top
    }
    let mut children = vec![Vec::new(); rows * COLUMN_PAIRS];
    let top = top_of((0..children.len()).collect(), most, &mut children);
    (children, top)
}

/// A counter for each side, behind tile `top` of its tree.
pub(super) fn counters(top: usize) -> String {
    ["first", "second"]
        .map(|side| {
            format!(
                "
wire {side}_ring = {side}_tile[{top}];
reg [15:0] {side}_count;
assign {side} = {side}_count;
always @(posedge {side}_ring or posedge clearing)
   if (clearing) {side}_count <= 0;
   else {side}_count <= {side}_count + 1;
"
            )
        })
        .concat()
}

fn placed(place: &Place) -> String {
    let mut code = String::from(
        "
reg clearing;
always @(posedge clock) clearing <= clear;
",
    );
    // A LUT and its flip-flop each: synthesis would take some of the bits out into resets, which need LUTs of their own.
    for (name, lines, inputs) in [
        ("column", 8, ["pair[0]", "pair[1]", "pair[2]", "1'b0"]),
        ("row_high", 8, ["pair[5]", "pair[6]", "pair[7]", "1'b0"]),
        ("row_low", 4, ["pair[3]", "pair[4]", "1'b0", "run"]),
    ] {
        let _ = writeln!(code, "wire [{0}:0] {name}, {name}_next;", lines - 1);
        let [i0, i1, i2, i3] = inputs;
        for line in 0..lines {
            let _ = write!(
                code,
                "\
(* keep *) SB_LUT4 #(.LUT_INIT(16'h{:04x})) {name}_{line}_lut (.O({name}_next[{line}]), .I0({i0}), .I1({i1}), .I2({i2}), .I3({i3}));
SB_DFF {name}_{line}_register (.Q({name}[{line}]), .C(clock), .D({name}_next[{line}]));
",
                // Without `run` the upper half of the table is out of reach.
                if i3 == "run" { 0x100 << line } else { 1 << line }
            );
        }
    }
    let (children, top) = tree(ROWS, 2);
    for side in ["first", "second"] {
        let _ = writeln!(code, "(* keep *) wire [{}:0] {side}_tile;", children.len() - 1);
    }
    for (tile, children) in children.iter().enumerate() {
        let (row, column) = (tile / COLUMN_PAIRS, tile % COLUMN_PAIRS);
        let (left, right) = place.columns[column];
        let y = usize::from(place.first_row) + row;
        for (side, x) in [("first", left), ("second", right)] {
            for half in 0..2 {
                let name = format!("{side}_{tile}_{half}");
                let bel = |lc: usize| format!("(* keep, BEL = \"X{x}/Y{y}/lc{}\" *)", 3 * half + lc);
                let _ = write!(
                    code,
                    "\
(* keep *) wire {name}_a, {name}_b, {name}_c;
{} SB_LUT4 #(.LUT_INIT(16'h7fff)) {name}_0 (.O({name}_a), .I0({name}_c), .I1(row_low[{}]), .I2(column[{column}]), .I3(row_high[{}]));
{} SB_LUT4 #(.LUT_INIT(16'h5555)) {name}_1 (.O({name}_b), .I0({name}_a), .I1(1'b0), .I2(1'b0), .I3(1'b0));
{} SB_LUT4 #(.LUT_INIT(16'h5555)) {name}_2 (.O({name}_c), .I0({name}_b), .I1(1'b0), .I2(1'b0), .I3(1'b0));
",
                    bel(0),
                    2 * (row % 2) + half,
                    row / 2,
                    bel(1),
                    bel(2)
                );
            }
            let name = format!("{side}_{tile}");
            // An input left out is low: one that is high would take a wire from elsewhere into the tile.
            let table = [0x8888, 0x8080, 0x8000][children.len()];
            let below = |at: usize| match children.get(at) {
                Some(child) => format!("{side}_tile[{child}]"),
                None => "1'b0".into(),
            };
            let _ = writeln!(
                code,
                "(* keep, BEL = \"X{x}/Y{y}/lc6\" *) SB_LUT4 #(.LUT_INIT(16'h{table:04x})) {name}_and \
                 (.O({side}_tile[{tile}]), .I0({name}_0_c), .I1({name}_1_c), .I2({}), .I3({}));",
                below(0),
                below(1)
            );
        }
    }
    code + &counters(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_is_once_in_the_tree_and_near_its_top() {
        for (rows, most, depth) in [(ROWS, 2, 8), (rings_ecp5::ROWS, 3, 6)] {
            let (children, top) = tree(rows, most);
            let mut above = vec![None; children.len()];
            for (tile, below) in children.iter().enumerate() {
                assert!(below.len() <= most);
                for child in below {
                    assert_eq!(above[*child].replace(tile), None, "{child}");
                }
            }
            for tile in 0..children.len() {
                let way: Vec<usize> = std::iter::successors(Some(tile), |t| above[*t]).take(100).collect();
                assert!(way.last() == Some(&top) && way.len() <= depth, "{way:?}");
            }
        }
    }
}
