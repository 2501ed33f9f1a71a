// Framer: what leaves for the line is COBS of the bytes pushed and their CRC, then a delimiter, and nothing else. One
// place of the frame, picked by the solver, is followed; so what is proven holds for every place. The frame is any
// frame that fits: place 0 has the first code, place i the i-th byte, or a code if that byte is zero.
module framer (
    input clock,
    input [7:0] data,
    input push,
    input finish,
    input line_ready
);
    localparam MOST = 122;      // bytes that fit beside code, CRC and delimiter; the largest response has 70

    (* anyconst *) wire [6:0] place;

    wire ready, line_valid;
    wire [7:0] line_data;
    wire [2:0] state;
    wire [6:0] write_at, code_at, read_at, address;
    wire [1:0] tail;
    wire [31:0] crc;
    wire [7:0] word;

    \top$core$link$framer dut (
        .clock(clock),
        .data(data),
        .push(push),
        .finish(finish),
        .ready(ready),
        .line_data(line_data),
        .line_valid(line_valid),
        .line_ready(line_ready),
        .\state$q (state),
        .\write_at$q (write_at),
        .\code_at$q (code_at),
        .\read_at$q (read_at),
        .\tail$q (tail),
        .\crc$q (crc),
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

    function [31:0] crc_after(input [31:0] before, input [7:0] byte_in);
        integer i;
        begin
            crc_after = before ^ {24'd0, byte_in};
            for (i = 0; i < 8; i = i + 1)
                crc_after = crc_after[0] ? crc_after >> 1 ^ 32'hedb88320 : crc_after >> 1;
        end
    endfunction

    reg [31:0] sum = 32'hffffffff;
    wire [31:0] closing = ~sum;
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
            sum <= crc_after(sum, data);
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

    // Clocks since it last could be pushed to or offered a character.
    reg [3:0] stalled = 0;
    always @(posedge clock) stalled <= ready || line_valid ? 4'd0 : stalled + 1;

    wire code_here = is_code || place == 0;
    wire filled = place < write_at;
    wire [6:0] distance = next - place;
    wire closed = has_next && next < write_at;

    always @(posedge clock) begin
        // A character is offered only of a finished frame, and steadily until it is taken.
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
        // It never stops: a byte can be pushed or taken at most seven clocks after the one before.
        a_progress: assert (stalled < 7);

        i_stalled: assert (stalled <= (state == 2 ? tail : state >= 3 && state <= 5 ? state + 1 : 0));
        i_state: assert (state <= 6);
        i_idle: assert (sending == (state >= 2));
        if (state == 0) i_open: assert (pushed == 0 && !has_next && !is_code && sum == 32'hffffffff);
        if (state == 1) i_collect: assert (write_at == here && crc == sum && tail == 0);
        if (state == 2) i_crc: assert (write_at == here + tail && crc == closing >> 8 * tail);
        if (state >= 3) i_whole: assert (write_at == last);
        if (state != 0) i_range: assert (code_at < write_at && pushed <= MOST && read_at == (sending ? sent : 0));
        if (!sending && !filled) i_not_yet: assert (!is_code && !has_next);
        if (has_next) i_next: assert (next > place && (sending ? next <= last : next < write_at));
        if (sending && place < last) i_has_next: assert (has_next);
        if (sending && place < last && next >= here) i_next_in_crc: assert (next == next_in_crc);
        if (sending && place < last && place >= here)
            i_crc_byte: assert (value == closing[8*crc_place[1:0] +: 8] && is_code == (value == 0));
        if (state != 0 && filled && !code_here) i_byte: assert (word == value && value != 0 && code_at != place);
        if (state >= 1 && state <= 3 && filled && code_here)
            i_code: assert (closed ? word == distance && code_at != place : code_at == place);
        if (state >= 4 && filled && code_here) i_codes: assert (word == distance);
        if (state >= 5 && place == last) i_end: assert (word == 0);
        if (state == 6 && place == read_at) i_read: assert (line_data == word);

        c_frame: cover (takes && sent == last && pushed == 2 && place == 2 && is_code);
        c_crc_code: cover (takes && sent == last && pushed == 2 && place > 2 && place < last && is_code);
        c_other: cover (takes && sent == last && pushed == 1 && place == 1 && !is_code);
    end
endmodule
