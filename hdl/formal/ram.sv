// Stands for a memory with one write and one read port. It remembers one word, at an address the solver picks and keeps;
// every other word, and a word read in the clock it is written, may be anything. So what is proven with it holds for
// the block RAM and for every address. Name and widths come from the proof: MEMORY, ADDRESS_BITS, WORD_BITS.
module `MEMORY (
    input clock,
    input [`ADDRESS_BITS-1:0] write_address,
    input [`WORD_BITS-1:0] write_data,
    input write_enable,
    input [`ADDRESS_BITS-1:0] read_address,
    input read_enable,
    output reg [`WORD_BITS-1:0] read_data
);
    (* anyconst *) wire [`ADDRESS_BITS-1:0] address;
    (* anyseq *) wire [`WORD_BITS-1:0] anything;
    reg [`WORD_BITS-1:0] word = 0;
    wire known = read_address == address && !(write_enable && write_address == address);

    always @(posedge clock) begin
        if (write_enable && write_address == address) word <= write_data;
        if (read_enable) read_data <= known ? word : anything;
    end
endmodule
