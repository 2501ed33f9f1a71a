// CobsDecoder behind any encoder. The solver plays the encoder: it opens a block wherever the last one is over, chooses
// its length, fills it with bytes that are not zero, and sends the delimiter when it likes, inside a block too. A block
// stands for its bytes and, if it is shorter than 254 bytes and another follows, a zero. Every frame there is has just
// one such encoding, so what comes out is what went in, for frames of any length and for every frame cut short.
module cobs (
    input clock,
    input [7:0] character,
    input valid
);
    wire [7:0] data, left;
    wire data_valid, delimiter, was_open, was_cut, zero_due, open;

    \top$core$link$cobs dut (
        .clock(clock),
        .character(character),
        .valid(valid),
        .data(data),
        .data_valid(data_valid),
        .delimiter(delimiter),
        .was_open(was_open),
        .was_cut(was_cut),
        .\left$q (left),
        .\zero_due$q (zero_due),
        .\open$q (open)
    );

    // The encoder.
    reg started = 0;            // it sent something of this frame
    reg [7:0] to_send = 0;      // bytes of the block still to come
    reg short_block = 0;        // the block is followed by a zero unless the frame ends
    wire ends = valid && character == 0;
    wire code = valid && character != 0 && to_send == 0;
    wire byte_of_block = valid && character != 0 && to_send != 0;

    // What it encoded by this character.
    reg has_plain = 0, ended = 0, ended_open, ended_inside;
    reg [7:0] plain;

    always @(posedge clock) begin
        has_plain <= byte_of_block || (code && short_block);
        plain <= byte_of_block ? character : 8'd0;
        ended <= ends;
        ended_open <= started;
        ended_inside <= to_send != 0;
        if (ends) begin
            started <= 0;
            to_send <= 0;
            short_block <= 0;
        end
        if (code) begin
            started <= 1;
            to_send <= character - 1;
            short_block <= character != 255;
        end
        if (byte_of_block) to_send <= to_send - 1;
    end

    reg seen_254 = 0;
    always @(posedge clock) if (code && started && !short_block) seen_254 <= 1;

    always @(posedge clock) begin
        a_valid: assert (data_valid == has_plain);
        if (has_plain) a_data: assert (data == plain);
        a_delimiter: assert (delimiter == ended);
        if (ended) a_open: assert (was_open == ended_open);
        if (ended) a_cut: assert (was_cut == ended_inside);
        a_one: assert (!(data_valid && delimiter));

        i_left: assert (left == to_send);
        i_zero: assert (zero_due == short_block);
        i_open: assert (open == started);

        c_zero: cover (has_plain && plain == 0);
        c_frame: cover (ended && ended_open && !ended_inside);
        c_cut: cover (ended && ended_inside);
        c_254: cover (seen_254 && ended && ended_open && !ended_inside);
    end
endmodule
