// A whole core as one step: every flip-flop and memory is cut out, what it holds has become inputs and what it is to hold
// outputs. Two copies of this, equal inputs but for the root, must have equal outputs; root.sby makes them.
module core (
    input clock,
    input uart_rx,
    input permit_enrol,
    output uart_tx,
    output activity,
    output busy,
    // What the memory of message and key pages is to store, but for bytes of the root that go to the key's page.
    output [7:0] stored
);
    localparam KEY_PAGE = 3;

    wire vault_busy, vault_key_open, turn, engine_key_open, write;
    wire [7:0] data;
    wire [6:0] address;

    \top$core dut (
        .clock(clock),
        .uart_rx(uart_rx),
        .permit_enrol(permit_enrol),
        .uart_tx(uart_tx),
        .activity(activity),
        .busy(busy),
        .\engine.key_open$q (engine_key_open),
        .\engine.core.pages$write_data (data),
        .\engine.core.pages$write_address (address),
        .\engine.core.pages$write_enable (write),
        .\vault.busy_now$q (vault_busy),
        .\vault.key_open$q (vault_key_open),
        .\vault.root$turn (turn)
    );

    // As guard.sby proves.
    always @* assume (!(vault_busy && vault_key_open) || engine_key_open);

    wire key = vault_busy && vault_key_open && turn && engine_key_open && address[6:4] == KEY_PAGE;
    assign stored = write && !key ? data : 8'd0;
endmodule
