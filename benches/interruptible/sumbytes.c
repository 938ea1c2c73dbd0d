/* Sums of a million bytes. */
enum { LENGTH = 1000000 };

static unsigned char bytes[LENGTH];

__attribute__((export_name("run"))) int run(int times) {
    unsigned sum = 0;
    for (int time = 0; time < times; time++) {
        for (int i = 0; i < LENGTH; i++) sum += bytes[i];
        bytes[time]++;
    }
    return sum;
}
