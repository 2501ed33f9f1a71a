// A whole core but for the hashing engine as one step, as in root.sv. Two copies, equal inputs but for the byte of the
// digest that the engine shows while the vault is busy and may not see it, must have equal outputs.
module core (
    input clock,
    input uart_rx,
    input permit_enrol,
    input engine_ready,
    input [7:0] digest_shown,
    input [7:0] digest_hidden,
    output uart_tx,
    output activity,
    output busy
);
    wire vault_busy, visible;

    \top$core dut (
        .clock(clock),
        .uart_rx(uart_rx),
        .permit_enrol(permit_enrol),
        .uart_tx(uart_tx),
        .activity(activity),
        .busy(busy),
        .\engine$ready (engine_ready),
        .\engine$digest_byte (vault_busy && !(visible && engine_ready) ? digest_hidden : digest_shown),
        .\vault.busy_now$q (vault_busy),
        .\vault.visible$q (visible)
    );
endmodule
