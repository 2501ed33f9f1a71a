// UartTx and UartRx at the two ends of one line, at four clocks a bit, the fewest there are and what the boards have: every
// character comes out 41 clocks after it was taken, unharmed, and nothing else does. One bit of it, picked by the
// solver, is followed. A second receiver listens to any line at all.
module uart (
    input clock,
    input [7:0] data,
    input valid,
    input any_line
);
    localparam SPACING = 10;    // as in cobs.sv
    localparam LATENCY = 41;
    // What the receiver calls its states, in its order.
    localparam WAIT_IDLE = 0, IDLE = 1, START = 2, DATA = 3, STOP = 4;

    (* anyconst *) wire [2:0] place;

    wire ready, line, out_valid, broken, first, second;
    wire [7:0] out;
    wire [8:0] to_send;
    wire [1:0] tx_timer, rx_timer;
    wire [3:0] left;
    wire [2:0] state, count;

    \top$core$link$transmitter tx (
        .clock(clock),
        .data(data),
        .valid(valid),
        .ready(ready),
        .tx(line),
        .\shift$q (to_send),
        .\timer$q (tx_timer),
        .\left$q (left)
    );
    \top$core$link$receiver rx (
        .clock(clock),
        .rx(line),
        .data(out),
        .valid(out_valid),
        .broken(broken),
        .\state$q (state),
        .\timer$q (rx_timer),
        .\count$q (count),
        .\line.dff0$q (first),
        .\line.dff1$q (second)
    );

    wire other_valid;
    wire [2:0] other_state;
    \top$core$link$receiver other (
        .clock(clock),
        .rx(any_line),
        .valid(other_valid),
        .\state$q (other_state)
    );
    reg [3:0] since = SPACING;  // clocks since its last character, at most SPACING
    always @(posedge clock) since <= other_valid ? 4'd1 : since + (since != SPACING);

    reg [5:0] age = 63;         // clocks since the last character was taken, at most 63
    reg bit_sent;
    reg [1:0] up = 0;           // clocks since power-up
    wire takes = valid && ready;
    always @(posedge clock) begin
        up <= up + (up != 3);
        age <= takes ? 6'd1 : age + (age != 63);
        if (takes) bit_sent <= data[place];
    end

    // The level of the line `behind` clocks ago, where it is known.
    function known(input [5:0] at);
        known = at < 1 || at <= 4 || at > 36 || (at > 4 + 4 * place && at <= 8 + 4 * place);
    endfunction
    function level(input [5:0] at);
        level = at < 1 || at > 36 ? 1 : at <= 4 ? 0 : bit_sent;
    endfunction
    wire [5:0] one = age - 1, two = age - 2;
    wire [3:0] sending = one >> 2;      // the start bit, eight of data, the stop bit
    wire [3:0] held = place + 4'd1 - sending;
    wire [5:0] got = (age > 40 ? 6'd40 : age) - 9 - 4 * place;

    always @(posedge clock) begin
        a_valid: assert (out_valid == (age == LATENCY));
        if (out_valid) a_data: assert (out[place] == bit_sent);
        a_broken: assert (!broken);
        a_ready: assert (ready == (age >= LATENCY));

        // On any line, the next character comes no sooner than CobsDecoder can take it.
        a_spacing: assert (!(other_valid && since != SPACING));

        i_other: assert (since <= SPACING && (!other_valid || other_state == IDLE));
        i_age: assert (age >= 1 && (age > 60 || up == 3 || age <= up));
        if (age < LATENCY) begin
            i_left: assert (left == 10 - sending && tx_timer == 3 - one[1:0]);
            if (sending == 0) i_start: assert (to_send[0]);
            if (sending <= place + 1) i_held: assert (to_send[held] == !bit_sent);
            i_stop: assert ((to_send >> 9 - sending) == 0);
        end else i_rest: assert (left == 0 && to_send == 0);
        if (known(age)) i_line: assert (line == level(age));
        if (age >= 2 && known(one)) i_first: assert (first == level(one) || up == 0);
        if (age == 1) i_first_idle: assert (first);
        if (age >= 3 && known(two)) i_second: assert (second == level(two) || up <= 1);
        if (age <= 2) i_second_idle: assert (second || up <= 1);
        i_wait: assert (state != WAIT_IDLE || up < 3);
        if (age >= 5 && age <= 36)
            i_data: assert (state == DATA && rx_timer == 3 - one[1:0] && count == ((age - 5) >> 2));
        else if (age == 4) i_begin: assert (state == START && rx_timer == 0);
        else if (age >= 37 && age < LATENCY) i_end: assert (state == STOP && rx_timer == 3 - one[1:0]);
        else i_idle: assert (state == IDLE || state == WAIT_IDLE);
        if (age >= 9 + 4 * place && age <= LATENCY) i_got: assert (out[7 - (got >> 2)] == bit_sent);

        c_out: cover (out_valid && out[place]);
        c_other: cover (other_valid);
    end
endmodule
