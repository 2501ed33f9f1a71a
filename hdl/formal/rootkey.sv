// RootKey: what it holds changes by loading, turning and forgetting and in no other way, a byte at a time; what it shows is
// its first byte.
module rootkey (
    input clock,
    input [7:0] digest_byte,
    input load,
    input turn,
    input forget
);
    wire [7:0] first;
    wire [255:0] key;

    \top$core$vault$root dut (
        .clock(clock),
        .digest_byte(digest_byte),
        .load(load),
        .turn(turn),
        .forget(forget),
        .first(first),
        .\key$q (key)
    );

    reg [255:0] due = 0;
    always @(posedge clock)
        due <= turn ? {key[7:0], key[255:8]} :
               load ? {digest_byte, key[255:8]} :
               forget ? {8'd0, key[255:8]} : key;

    // Bytes loaded and zeros moved in, one after the other.
    reg [5:0] loaded = 0, forgotten = 0;
    reg [7:0] loaded_first;
    always @(posedge clock) begin
        if (load && loaded == 0) loaded_first <= digest_byte;
        loaded <= turn || (forget && !load) || (load && loaded == 32) ? 0 : loaded + load;
        forgotten <= load || turn ? 0 : forgotten == 32 ? 32 : forgotten + forget;
    end

    always @(posedge clock) begin
        a_key: assert (key == due);
        a_first: assert (first == key[7:0]);
        // Thirty-two bytes loaded are a root, first byte first; thirty-two zeros are none.
        if (loaded == 32) a_loaded: assert (first == loaded_first);
        if (forgotten == 32) a_forgotten: assert (key == 0);

        i_loaded: assert (loaded <= 32 && (loaded == 0 || key[8*(32-loaded) +: 8] == loaded_first));
        i_forgotten: assert (forgotten <= 32 && (key >> 8 * (32 - forgotten)) == 0);

        c_loaded: cover (loaded == 32 && first == 8'h5a);
        c_forgotten: cover (forgotten == 32);
    end
endmodule
