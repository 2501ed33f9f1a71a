// CobsDecoder behind any encoder. The solver plays the encoder: it opens a block wherever the last one is over, chooses
// its length, fills it with bytes that are not zero, and sends the delimiter when it likes, inside a block too. A block
// stands for its bytes and, if it is shorter than 254 bytes and another follows, a zero. Every frame there is has just
// one such encoding, so what comes out is what went in, for frames of any length and for every frame cut short.
module cobs (
    input clock,
    input [7:0] character,
    input valid
);
    localparam SPACING = 10;    // clocks from one character to the next, which uart.sv proves

    wire [7:0] data, left, out;
    wire data_valid, delimiter, was_open, was_cut, zero_due, open, data_bit, bit_valid;
    wire [3:0] bits;

    \top$core$link$cobs dut (
        .clock(clock),
        .character(character),
        .valid(valid),
        .data(data),
        .data_valid(data_valid),
        .data_bit(data_bit),
        .bit_valid(bit_valid),
        .delimiter(delimiter),
        .was_open(was_open),
        .was_cut(was_cut),
        .\left$q (left),
        .\zero_due$q (zero_due),
        .\open$q (open),
        .\bits$q (bits),
        .\out$q (out)
    );

    reg [3:0] since = SPACING;  // clocks since the last character, at most SPACING
    always @(posedge clock) since <= valid ? 4'd1 : since + (since != SPACING);
    always @* assume (!(valid && since != SPACING));

    // The encoder.
    reg started = 0;            // it sent something of this frame
    reg [7:0] to_send = 0;      // bytes of the block still to come
    reg short_block = 0;        // the block is followed by a zero unless the frame ends
    wire ends = valid && character == 0;
    wire code = valid && character != 0 && to_send == 0;
    wire byte_of_block = valid && character != 0 && to_send != 0;
    wire encodes = byte_of_block || (code && short_block);

    // What it encoded by this character.
    reg has_plain = 0, ended = 0, ended_open, ended_inside;
    reg [7:0] plain;
    // Its bits are to come, or are coming.
    reg spells = 0;
    // A byte came since the delimiter.
    reg some = 0, ended_some;

    always @(posedge clock) begin
        has_plain <= encodes;
        if (encodes) plain <= byte_of_block ? character : 8'd0;
        if (valid) spells <= encodes;
        ended <= ends;
        ended_open <= started;
        ended_inside <= to_send != 0;
        ended_some <= some;
        if (encodes) some <= 1;
        if (ends) begin
            started <= 0;
            to_send <= 0;
            short_block <= 0;
            some <= 0;
        end
        if (code) begin
            started <= 1;
            to_send <= character - 1;
            short_block <= character != 255;
        end
        if (byte_of_block) to_send <= to_send - 1;
    end

    always @(posedge clock) begin
        a_valid: assert (data_valid == has_plain);
        if (has_plain) a_data: assert (data == plain);
        // The eight clocks after a byte show its bits, and no other clock shows any.
        if (spells && since >= 2 && since <= 9) a_bit: assert (bit_valid && data_bit == plain[since - 2]);
        if (bit_valid) a_no_bit: assert (since >= 2 && since <= 9 && spells);
        a_delimiter: assert (delimiter == ended);
        if (ended) a_open: assert (was_open == ended_open);
        if (ended) a_cut: assert (was_cut == ended_inside);
        if (ended) a_some: assert (!ended_some || was_open);
        a_one: assert (!(data_valid && delimiter));

        i_left: assert (left == to_send);
        i_zero: assert (zero_due == short_block);
        i_open: assert (open == started);
        i_some: assert (!some || started);
        i_since: assert (since >= 1 && since <= SPACING);
        i_short: assert (started || (to_send == 0 && !short_block));
        i_plain: assert (!(has_plain || ended) || since == 1);
        if (has_plain) i_spells: assert (spells);
        if (spells) i_spelt: assert (out == plain >> (since >= 2 ? since - 2 : 0));
        i_bits: assert (bits == (spells && since >= 2 && since < SPACING ? SPACING - since : 0));

        c_zero: cover (has_plain && plain == 0);
        c_bits: cover (bit_valid && data_bit && since == 9);
        c_frame: cover (ended && ended_open && !ended_inside);
        c_cut: cover (ended && ended_inside);
    end
endmodule
