// FrameCheck: a frame is kept if and only if it is whole, its length is the one its header says, its CRC is right and no
// character of it was lost. CRC-32 is computed here a byte at a time, over header and payload alone, and compared with
// the four bytes that follow; so the residue, or whatever the module uses, is not taken on trust.
module check (
    input clock,
    input [7:0] data,
    input data_valid,
    input delimiter,
    input was_open,
    input was_cut,
    input broken
);
    localparam SPACING = 10;    // as in cobs.sv
    localparam HEADER = 6, CRC = 4, MOST = 512;

    // What CobsDecoder shows, as cobs.sv proves it: a byte, and its bits in the eight clocks after it.
    reg [3:0] since = SPACING;
    reg [7:0] last_byte;
    reg spells = 0;
    reg some = 0;
    wire event_now = data_valid || delimiter;
    wire bit_valid = spells && since >= 1 && since <= 8;
    wire data_bit = bit_valid && last_byte[since - 1];
    always @(posedge clock) begin
        since <= event_now ? 4'd1 : since + (since != SPACING);
        if (event_now) spells <= data_valid;
        if (data_valid) last_byte <= data;
        some <= !delimiter && (some || data_valid);
    end
    always @* begin
        assume (!(event_now && since != SPACING));
        assume (!(data_valid && delimiter));
        assume (!(delimiter && some && !was_open));
    end

    wire write, keep, forget;
    wire [3:0] place;
    wire [9:0] payload;
    wire in_crc, bad;
    wire [31:0] crc;

    \top$core$link$check dut (
        .clock(clock),
        .data(data),
        .data_valid(data_valid),
        .data_bit(data_bit),
        .bit_valid(bit_valid),
        .delimiter(delimiter),
        .was_open(was_open),
        .was_cut(was_cut),
        .broken(broken),
        .write(write),
        .keep(keep),
        .forget(forget),
        .\place$q (place),
        .\payload$q (payload),
        .\in_crc$q (in_crc),
        .\bad$q (bad),
        .\crc.state$q (crc)
    );

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

    // The frame so far.
    reg [9:0] bytes = 0;        // at most 1023
    reg [15:0] length = 0;
    reg [31:0] sum = 32'hffffffff;      // CRC register after header and payload
    reg [31:0] received = 0;    // the CRC bytes
    reg lost = 0;               // a character was
    reg written = 0;            // something of it was written to the queue
    wire [16:0] body = HEADER + length;
    wire [16:0] whole = body + CRC;
    wire has_length = bytes >= HEADER;
    wire too_long = has_length && length > MOST;
    wire in_body = !has_length || bytes < body;
    wire [1:0] crc_byte = bytes - body;
    wire complete = has_length && !too_long && bytes == whole && received == ~sum && !lost;

    always @(posedge clock) begin
        if (data_valid) begin
            if (bytes != 1023) bytes <= bytes + 1;
            if (bytes == 4) length[7:0] <= data;
            if (bytes == 5) length[15:8] <= data;
            if (in_body) sum <= crc_rest(sum, data, 8);
            else if (bytes < whole && bytes != 1023) received[8*crc_byte +: 8] <= data;
        end
        if (write) written <= 1;
        if (delimiter) begin
            bytes <= 0;
            length <= 0;
            sum <= 32'hffffffff;
            received <= 0;
            lost <= 0;
            written <= 0;
        end
        // In the clock of a delimiter it counts for the frame to come.
        if (broken) lost <= 1;
    end

    // The bits of the last byte that the module has not seen yet.
    wire [3:0] to_come = spells && since <= 8 ? 4'd9 - since : 4'd0;
    wire [9:0] before_last = bytes - 1;
    wire last_in_crc = has_length && bytes > body;
    wire [5:0] compared = last_in_crc && bytes <= whole ? 8 * (bytes - body) - to_come : 0;
    wire [31:0] differs = (received ^ ~sum) & ~(32'hffffffff << compared);
    wire excess = has_length && !too_long && bytes > whole;
    wire sound = !lost && !too_long && !excess;
    wire [9:0] payload_left = body - bytes;

    always @(posedge clock) begin
        a_keep: assert (keep == (delimiter && was_open && !was_cut && complete));
        // Header and payload go to the queue, all of them of a frame that will be kept, and nothing else.
        a_write: assert (write == (data_valid && in_body && !too_long && !lost));
        // What is not kept is forgotten, so that nothing of it lingers before the next frame; and counted, also where
        // nothing but a lost character stood.
        a_forget: assert (!(delimiter && (written || lost || was_open) && !keep) || forget);
        a_when: assert (!forget || (delimiter && !keep));
        a_one: assert (!(write && (keep || forget)));

        i_since: assert (since >= 1 && since <= SPACING);
        i_some: assert (some == (bytes != 0) && (!written || some));
        i_spells: assert (!some || spells);
        if (bytes == 0) i_none: assert (place == 0 && sum == 32'hffffffff && crc == sum && bad == lost);
        if (bytes <= 4) i_no_length: assert (length == 0);
        if (bytes == 5) i_length_low: assert (length[15:8] == 0 && payload == length[9:0]);
        if (!has_length) i_header: assert (place == bytes);
        if (!last_in_crc) i_received: assert (received == 0);
        if (has_length && !too_long) begin
            i_place: assert (place == (bytes <= body ? HEADER : excess ? HEADER + CRC : bytes - body + HEADER));
            i_payload: assert (payload == (bytes <= body ? payload_left : 0));
        end
        i_bad: assert (sound && differs == 0 ? !bad : bad);
        if (sound && bytes != 0) i_in_crc: assert (in_crc == last_in_crc);
        if (sound && !last_in_crc) i_crc: assert (sum == crc_rest(crc, last_byte >> 8 - to_come, to_come));
        if (sound && last_in_crc) begin
            i_crc_out: assert (crc == sum >> compared);
            i_crc_byte: assert (last_byte == (received >> 8 * (bytes - body - 1) & 8'hff));
            i_crc_rest: assert (bytes == whole || received >> 8 * (bytes - body) == 0);
        end

`ifdef REACH
        c_keep: cover (keep && length == 512);
        c_spoilt: cover (forget && !lost && bytes == whole && received == (~sum ^ 32'h80000000));
        c_lost: cover (forget && lost && bytes == whole && received == ~sum);
        c_long: cover (forget && !lost && length == 513);
`else
        c_keep: cover (keep);
`endif
    end

`ifdef COVER
    // A frame of the least length at the highest rate, for one whole run from the start.
    wire [79:0] frame = 80'h12eb8e88000000030201;
    always @* begin
        assume (data == frame[8*(bytes < 10 ? bytes : 0) +: 8]);
        assume (data_valid == (since == SPACING && bytes < 10));
        assume (delimiter == (since == SPACING && bytes == 10));
        assume (!broken && !was_cut);
    end
`endif
endmodule
