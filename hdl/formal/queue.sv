// PacketQueue against a queue as one would describe it: counts of bytes and one byte that is followed from its writing
// to its reading. Whatever the solver writes, keeps, forgets and pops is covered, for ever.
module queue (
    input clock,
    input write,
    input [7:0] write_data,
    input keep,
    input forget,
    input pop,
    // Follow the byte written in this clock, if there is room and none is followed yet.
    input follow
);
    localparam ROOM = 2048;

    wire dropped, available;
    wire [7:0] data;
    // Inside, for the invariants that make the proof inductive; no claim is about them.
    wire [11:0] write_at, kept, read_at;
    wire lost, popped;
    wire [10:0] address;
    wire [7:0] word;

    \top$core$link$queue dut (
        .clock(clock),
        .write(write),
        .write_data(write_data),
        .keep(keep),
        .forget(forget),
        .dropped(dropped),
        .pop(pop),
        .data(data),
        .available(available),
        .\write_at$q (write_at),
        .\kept$q (kept),
        .\read_at$q (read_at),
        .\lost$q (lost),
        .\popped$q (popped),
        .\ram.address (address),
        .\ram.word (word)
    );

    // What the queue asks of those around it.
    always @* begin
        assume (!(write && keep));
        assume (!(write && forget));
        assume (!(keep && forget));
        assume (!(pop && !available));
    end

    reg [11:0] stored = 0;      // bytes in the queue, seen by the reader or not
    reg [11:0] pending = 0;     // of these, not seen yet
    reg short_of_room = 0;      // a byte of the frame found no room
    wire fits = stored < ROOM;
    wire takes = write && fits;
    wire shows = keep && !short_of_room;
    wire drops = forget || (keep && short_of_room);

    reg popped_last = 0;        // and so nothing can be seen in this clock

    reg followed = 0;
    reg [11:0] ahead = 0;       // bytes to be popped before it
    reg hidden = 0;             // not shown to the reader yet
    reg [7:0] value;
    wire comes_out = pop && followed && ahead == 0;

    always @(posedge clock) begin
        stored <= stored + takes - pop - (drops ? pending : 12'd0);
        popped_last <= pop;
        pending <= (shows || drops) ? 12'd0 : pending + takes;
        if (keep || forget) short_of_room <= 0;
        else if (write && !fits) short_of_room <= 1;

        if (!followed && takes && follow) begin
            followed <= 1;
            hidden <= 1;
            ahead <= stored - pop;
            value <= write_data;
        end else if (followed) begin
            ahead <= ahead - pop;
            if (shows) hidden <= 0;
            if ((drops && hidden) || comes_out) followed <= 0;
        end
    end

    always @(posedge clock) begin
        // A verdict is carried out or refused, never half.
        a_dropped: assert (dropped == (keep && short_of_room));
        // The reader sees what was kept and nothing else, at the latest two clocks after the verdict or a pop.
        a_available: assert (available == (stored != pending && !popped_last));
        // Nothing is written over and nothing read twice.
        a_room: assert (stored <= ROOM && pending <= stored);
        // Every byte kept comes out, in its order and unharmed.
        if (followed && !hidden && ahead == 0) begin
            a_there: assert (available || popped_last);
            if (available && address == read_at[10:0]) a_value: assert (data == value);
        end
        if (followed && hidden) a_hidden: assert (ahead >= stored - pending);

        i_stored: assert (stored == (write_at - read_at & 12'hfff));
        i_pending: assert (pending == (write_at - kept & 12'hfff));
        i_lost: assert (lost == short_of_room);
        i_popped: assert (popped == popped_last);
        i_ahead: assert (!followed || ahead < stored);
        i_shown: assert (!followed || hidden || ahead < stored - pending);
        if (followed && address == (read_at + ahead & 11'h7ff)) i_word: assert (word == value);
        if (available && address == read_at[10:0]) i_head: assert (data == word);

`ifdef REACH
        c_full: cover (stored == ROOM && pending == 5);
        c_dropped: cover (dropped && followed && hidden);
`else
        c_forgotten: cover (forget && followed && hidden);
        c_out: cover (comes_out && value == 8'h5a);
`endif
    end
endmodule
