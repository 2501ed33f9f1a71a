// What the vault believes of the hashing engine, against the engine itself: with any program in its processor and any
// requests behind its link. root.sby takes the first property for granted; the second gives the mask of digest.sby its
// meaning.
module guard (
    input clock
);
    localparam HASH_BEGIN = 0, HASH_END = 1, TREE_BEGIN = 2, LEAF_END = 4, TREE_END = 5, KEY_BEGIN = 6, KEY_END = 7;
    localparam ENTROPY = 5;

    wire busy, vault_key_open, visible, turn, data_valid, command_valid, ready;
    wire message_open, key_open, keyed, leaf_open, tree_open;
    wire [2:0] command, request;
    wire shown, node;
    wire [3:0] state;

    // The processor, the link and the compression core are not connected: they do anything.
    \top$core dut (
        .clock(clock),
        .\vault.busy_now$q (busy),
        .\vault.key_open$q (vault_key_open),
        .\vault.visible$q (visible),
        .\vault.request_now$q (request),
        .\vault.root$turn (turn),
        .\engine$command (command),
        .\engine$command_valid (command_valid),
        .\engine$data_valid (data_valid),
        .\engine$ready (ready),
        .\engine.message_open$q (message_open),
        .\engine.key_open$q (key_open),
        .\engine.keyed$q (keyed),
        .\engine.leaf_open$q (leaf_open),
        .\engine.tree_open$q (tree_open),
        .\vault.shown$q (shown),
        .\engine.state$q (state),
        .\engine.node$q (node)
    );

    wire does = command_valid && ready;
    wire ends = does && command == HASH_END && message_open;
    wire ends_other = does && ((command == LEAF_END && leaf_open) || (command == TREE_END && tree_open && !leaf_open));

    reg random_message = 0;     // the open message is of random bits
    reg mac = 0, random = 0;    // what the engine shows, once ready: a MAC, or the hash of random bits
    always @(posedge clock) begin
        if (does && command == HASH_BEGIN) random_message <= busy && request == ENTROPY;
        if (does && command == KEY_BEGIN) random_message <= 0;
        if (ends) begin
            mac <= keyed;
            random <= random_message;
        end
        if (ends_other) begin
            mac <= 0;
            random <= 0;
        end
    end

    always @(posedge clock) begin
        // Bytes of the root are given to the engine only while its key is open.
        a_key: assert (!(busy && vault_key_open) || key_open);
        a_root: assert (!(busy && turn && data_valid) || key_open);
        // The vault sees a MAC, or in a request for random bits the hash of a message begun in it, and nothing else.
        a_visible: assert (!(busy && visible && ready) || mac || (random && request == ENTROPY));

        // How the engine's states hang together, in the order of its `State`:
        // 0 ready, 1 and 2 beginning, 3 and 4 a key, 7 its second hash.
        i_node: assert (!node || (state != 0 && state != 3 && state != 4 && state != 7 && !message_open && !key_open));
        i_message: assert (!message_open || (state <= 4 && !key_open && !leaf_open && !tree_open));
        i_key: assert (!key_open || (state <= 2 && keyed && !leaf_open && !tree_open));
        i_shown: assert (!(busy && shown) || (message_open && (keyed || (random_message && request == ENTROPY))));
        i_seen: assert (!(busy && visible) || mac || (random && request == ENTROPY));

`ifdef REACH
        c_mac: cover (busy && visible && ready && mac);
        c_random: cover (busy && visible && ready && random && !mac);
`else
        c_root: cover (busy && turn && data_valid && ready);
        c_hidden: cover (busy && ends && !keyed);
`endif
    end
endmodule
