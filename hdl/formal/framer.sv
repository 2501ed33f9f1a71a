// Framer: what leaves for the line is COBS of the bytes pushed and their CRC, then a delimiter, and nothing else. One
// place of the frame, picked by the solver, is followed; so what is proven holds for every place. The frame is any
// frame that fits: place 0 has the first code, place i the i-th byte, or a code if that byte is zero.
module framer (
    input clock,
    input [7:0] data,
    input push,
    input finish,
    input line_ready,
    // Half of the memory is lent to the registers.
    input [6:0] lent_address,
    input lent_write,
    input [7:0] lent_data
);
    localparam MOST = 122;      // bytes that fit beside code, CRC and delimiter; the largest response has 70

    // What the framer calls its states, in its order.
    localparam OPEN = 0, COLLECT = 1, BITS = 2, CRC_BITS = 3, CRC_BYTE = 4, CODE = 5, DELIMITER = 6, FETCH = 7, SEND = 8;

    (* anyconst *) wire [6:0] place;

    wire ready, line_valid;
    wire [7:0] line_data;
    wire [3:0] state;
    wire [6:0] write_at, code_at, read_at;
    wire [7:0] address;
    wire [1:0] tail;
    wire [31:0] crc;
    wire [7:0] word, shift;
    wire [2:0] bits;

    \top$core$link$framer dut (
        .clock(clock),
        .data(data),
        .push(push),
        .finish(finish),
        .ready(ready),
        .line_data(line_data),
        .line_valid(line_valid),
        .line_ready(line_ready),
        .lent_address(lent_address),
        .lent_write(lent_write),
        .lent_data(lent_data),
        .\state$q (state),
        .\write_at$q (write_at),
        .\code_at$q (code_at),
        .\read_at$q (read_at),
        .\tail$q (tail),
        .\crc.state$q (crc),
        .\shift$q (shift),
        .\bits$q (bits),
        .\ram.address (address),
        .\ram.word (word)
    );

    reg [6:0] pushed = 0;
    always @* begin
        assume (!(push && !ready));
        assume (!(finish && (!ready || push)));
        assume (!(push && pushed == MOST));
        assume (address == place);
    end

    // The CRC register after the lowest `count` bits of `bits_in`.
    function [31:0] crc_rest(input [31:0] before, input [7:0] bits_in, input [3:0] count);
        integer i;
        begin
            crc_rest = before;
            for (i = 0; i < 8; i = i + 1)
                if (i < count)
                    crc_rest = crc_rest[0] ^ bits_in[i] ? crc_rest >> 1 ^ 32'hedb88320 : crc_rest >> 1;
        end
    endfunction

    reg [31:0] sum = 32'hffffffff;
    wire [31:0] closing = ~sum;
    wire [7:0] closing_byte = closing >> 8 * tail;
    reg sending = 0;
    reg [6:0] sent = 0;         // characters the line took
    reg [6:0] last;             // place of the delimiter
    reg [7:0] value;            // the byte at `place`, if one came
    reg is_code = 0;            // there is a code at `place`
    reg has_next = 0;           // a code, or the delimiter, comes after it
    reg [6:0] next;             // where
    wire takes = line_valid && line_ready;

    wire [6:0] here = pushed + 1;
    wire [6:0] crc_place = place - here;

    // The first place after `place` among the CRC's that holds a zero, else that of the delimiter.
    reg [6:0] next_in_crc;
    integer i;
    always @* begin
        next_in_crc = here + 4;
        for (i = 3; i >= 0; i = i - 1)
            if (closing[8*i +: 8] == 0 && here + i > place) next_in_crc = here + i;
    end

    always @(posedge clock) begin
        if (push) begin
            pushed <= here;
            sum <= crc_rest(sum, data, 8);
            if (here == place) begin
                value <= data;
                is_code <= data == 0;
            end
            if (data == 0 && here > place && !has_next) begin
                has_next <= 1;
                next <= here;
            end
        end
        if (finish) begin
            sending <= 1;
            sent <= 0;
            last <= here + 4;
            if (place >= here && place < here + 4) begin
                value <= closing[8*crc_place[1:0] +: 8];
                is_code <= closing[8*crc_place[1:0] +: 8] == 0;
            end
            if (!has_next && place < here + 4) begin
                has_next <= 1;
                next <= next_in_crc;
            end
        end
        if (takes) begin
            sent <= sent + 1;
            if (sent == last) begin
                sending <= 0;
                pushed <= 0;
                sum <= 32'hffffffff;
                is_code <= 0;
                has_next <= 0;
            end
        end
    end

    // Clocks since it last could be pushed to, offered a character or found the line not ready.
    reg [5:0] stalled = 0;
    always @(posedge clock) stalled <= ready || line_valid || !line_ready ? 6'd0 : stalled + 1;

    wire code_here = is_code || place == 0;
    wire filled = place < write_at;
    wire [6:0] distance = next - place;
    wire pending = state == BITS && bits == 0;      // the byte pushed is not in the memory yet
    wire closed = has_next && next < write_at;

    always @(posedge clock) begin
        // A character is offered only of a finished frame.
        a_when: assert (!(line_valid && !sending));
        a_collects: assert (!(ready && sending));
        if (line_valid && sent == place) begin
            // No delimiter inside a frame, one at its end.
            a_delimiter: assert ((line_data == 0) == (place == last));
            // A code tells how far it is to the next one or to the delimiter, and so that a zero stands there.
            if (code_here && place < last) a_code: assert (line_data == distance);
            // Any other byte goes as it is.
            if (!code_here && place < last) a_byte: assert (line_data == value);
        end
        a_length: assert (!sending || (sent <= last && last == pushed + 5));
        // It never stops: if the line is ready, a byte can be pushed or taken at most 39 clocks after the one before.
        a_progress: assert (ready || line_valid || stalled < 39);

        i_stalled: assert (stalled <= (state == BITS ? bits : state == CRC_BITS ? 9 * tail + bits :
                           state == CRC_BYTE ? 9 * tail + 8 : state == CODE ? 36 : state == DELIMITER ? 37 :
                           state == FETCH ? 38 : state == SEND ? 39 : state == COLLECT ? 8 : 0));
        i_state: assert (state <= SEND && sending == (state >= CRC_BITS));
        if (state == OPEN) i_open: assert (pushed == 0 && !has_next && !is_code && sum == 32'hffffffff);
        if (state != BITS && state != CRC_BITS) i_bits: assert (bits == 0);
        if (state != CRC_BITS && state != CRC_BYTE) i_tail: assert (tail == 0);
        if (state == COLLECT) i_collect: assert (write_at == here && crc == sum);
        if (state == BITS) begin
            i_in_bits: assert (write_at == (bits == 0 ? pushed : here) && pushed != 0);
            i_bits_crc: assert (sum == crc_rest(crc, shift, 4'd8 - bits));
        end
        if (pending && place == pushed) i_pending: assert (shift == value && is_code == (value == 0));
        if (pending && place < pushed && shift == 0) i_pending_code: assert (has_next);
        if (pending && has_next && next == pushed) i_pending_next: assert (shift == 0);
        if (state == CRC_BITS) begin
            i_crc_bits: assert (crc == sum >> 8 * tail + bits);
            i_crc_shift: assert ((shift >> (4'd8 - bits)) == (closing_byte & ~(8'hff << bits)));
        end
        if (state == CRC_BYTE) i_crc_byte_done: assert (crc == sum >> 8 * tail + 8 && shift == closing_byte);
        if (state == CRC_BITS || state == CRC_BYTE) i_crc: assert (write_at == here + tail);
        if (state == CODE || state == DELIMITER) i_zero: assert (shift == 0);
        if (state >= CODE) i_whole: assert (write_at == last);
        if (state != OPEN) i_range: assert (code_at < write_at && pushed <= MOST && read_at == (sending ? sent : 0));
        if (!sending && !filled && !(pending && place == pushed)) i_not_yet: assert (!is_code && !has_next);
        if (has_next) i_next: assert (next > place && next <= (sending ? last : pushed));
        if (sending && place < last) i_has_next: assert (has_next);
        if (sending && place < last && next >= here) i_next_in_crc: assert (next == next_in_crc);
        if (sending && place < last && place >= here)
            i_crc_byte: assert (value == closing[8*crc_place[1:0] +: 8] && is_code == (value == 0));
        if (state != OPEN && filled && !code_here) i_byte: assert (word == value && value != 0 && code_at != place);
        if (state != OPEN && state <= CODE && filled && code_here)
            i_code: assert (closed ? word == distance && code_at != place : code_at == place);
        if (state >= DELIMITER && filled && code_here) i_codes: assert (word == distance);
        if (state >= FETCH && place == last) i_end: assert (word == 0);
        if (state == SEND && place == read_at) i_read: assert (line_data == word);

`ifdef REACH
        c_delimiter: cover (takes && sent == last && pushed == MOST && place == last);
        c_code: cover (takes && sent == place && pushed == 70 && place == 40 && is_code && next == 65);
        c_crc_code: cover (takes && sent == place && pushed == 70 && place == 72 && is_code && next == last);
        c_byte: cover (takes && sent == place && pushed == 70 && place == 40 && !is_code);
`endif
    end
endmodule
