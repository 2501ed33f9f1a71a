//! The ring array on ECP5: a ring of five LUTs in a tile of its own, with the wires of every ring the same.
//!
//! Inside a tile the output of LUT i reaches the other LUTs without leaving it, each at one of their four inputs: D from
//! LUTs 0 and 2, B from 1 and 3, C from 4 and 6, A from 5 and 7 (database of Project Trellis, `tiledata/PLC2`). A ring is
//! LUTs 0 to 4, connected at these inputs, so that every connection is the one switch between the two. That holds as long
//! as the router may not exchange the inputs of a LUT: nextpnr-ecp5 needs `--disable-router-lutperm`. Left to itself it
//! routes the same template in dozens of ways. LUT 7 ands the ring and what up to three other tiles hand it.

use std::fmt::Write as _;

use super::rings::{COLUMN_PAIRS, RINGS, tree};

/// LUTs of a ring.
pub const LUTS: usize = 5;
/// Rows of tiles.
pub const ROWS: usize = RINGS / 2 / COLUMN_PAIRS;

/// Where the array is: the first of 16 columns side by side, and its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    first_column: u8,
    rows: [u8; ROWS],
}

/// In the middle of the LFE5U-85F, between its columns of pins; rows 34 and 46 are block RAM.
pub const LFE5U_85F: Place = Place {
    first_column: 54,
    rows: [
        24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 47, 48, 49, 50,
        51, 52, 53, 54, 55, 56, 57,
    ],
};

/// What yosys has to know of the primitive before `synth_ecp5` brings its own.
pub(super) const PRIMITIVES: &str = "
(* blackbox *) module LUT4(input A, B, C, D, output Z);
   parameter [15:0] INIT = 16'h0000;
endmodule
";

/// Where a LUT of a tile is.
fn bel(lut: usize) -> String {
    format!("SLICE{}.K{}", ["A", "B", "C", "D"][lut / 2], lut % 2)
}

/// The input at which another LUT of the tile has the output of `lut` at its door.
fn input_from(lut: usize) -> usize {
    [3, 1, 3, 1, 2, 0, 2, 0][lut]
}

/// A LUT of four inputs A to D; `what` are what they are connected to.
fn lut(name: &str, x: usize, y: usize, at: usize, table: u16, output: &str, what: [&str; 4]) -> String {
    let [a, b, c, d] = what;
    format!(
        "(* keep, BEL = \"X{x}/Y{y}/{}\" *) LUT4 #(.INIT(16'h{table:04x})) {name} \
         (.Z({output}), .A({a}), .B({b}), .C({c}), .D({d}));\n",
        bel(at)
    )
}

pub(super) fn placed(place: &Place) -> String {
    let mut code = String::from(
        "
reg [7:0] column, row_high;
reg [3:0] row_low;
reg clearing;
always @(posedge clock) begin
   column <= 8'd1 << pair[2:0];
   row_high <= 8'd1 << pair[7:5];
   row_low <= run ? 4'd1 << pair[4:3] : 4'd0;
   clearing <= clear;
end
",
    );
    let (children, top) = tree(ROWS, 3);
    for side in ["first", "second"] {
        let _ = writeln!(code, "(* keep *) wire [{}:0] {side}_tile;", children.len() - 1);
    }
    // The and of a tile takes its ring where that is at its door, the others at what is left.
    const RING_INPUT: usize = 2;
    const AND: usize = 7;
    for (tile, children) in children.iter().enumerate() {
        let (row, column) = (tile / COLUMN_PAIRS, tile % COLUMN_PAIRS);
        let y = usize::from(place.rows[row]);
        for (side, x) in [("first", 2 * column), ("second", 2 * column + 1)] {
            let x = usize::from(place.first_column) + x;
            let name = format!("{side}_{tile}_0");
            let wire = |at: usize| format!("{name}_w{at}");
            let wires: Vec<String> = (0..LUTS).map(wire).collect();
            let _ = writeln!(code, "(* keep *) wire {};", wires.join(", "));
            let mut enables = [
                format!("row_low[{}]", row % 4),
                format!("row_high[{}]", row / 4),
                format!("column[{column}]"),
            ]
            .into_iter();
            for at in 0..LUTS {
                let from = (at + LUTS - 1) % LUTS;
                let mut what = ["1'b0"; 4].map(String::from);
                if at == 0 {
                    what = std::array::from_fn(|_| String::new());
                }
                what[input_from(from)] = wire(from);
                let empty = what.iter_mut().filter(|input| input.is_empty());
                empty.zip(&mut enables).for_each(|(input, enable)| *input = enable);
                // A NAND, and inverters of the one input they have.
                let table = if at == 0 { 0x7fff } else { [0x5555, 0x3333, 0x0f0f, 0x00ff][input_from(from)] };
                let inputs = what.each_ref().map(String::as_str);
                code.push_str(&lut(&format!("{name}_{at}"), x, y, at, table, &wire(at), inputs));
            }
            let mut what: [String; 4] = std::array::from_fn(|_| "1'b1".into());
            let others = (0..4).filter(|input| *input != RING_INPUT);
            others.zip(children).for_each(|(input, child)| what[input] = format!("{side}_tile[{child}]"));
            what[RING_INPUT] = wire(LUTS - 1);
            let inputs = what.each_ref().map(String::as_str);
            let output = format!("{side}_tile[{tile}]");
            code.push_str(&lut(&format!("{side}_{tile}_and"), x, y, AND, 0x8000, &output, inputs));
        }
    }
    code + &super::rings::counters(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lut_of_a_ring_is_at_the_door_of_the_and() {
        assert_eq!(input_from(LUTS - 1), 2);
        assert_eq!((bel(0), bel(7)), ("SLICEA.K0".into(), "SLICED.K1".into()));
    }
}
