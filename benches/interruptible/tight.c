/* Xorshift: a loop whose rounds wait for each other. */
__attribute__((export_name("run"))) int run(int rounds) {
    unsigned x = 1;
    for (int i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    return x;
}
