/* Quicksort of 200,000 pseudo-random numbers. */
#include <stdint.h>

enum { LENGTH = 200000 };

static uint32_t numbers[LENGTH];

static uint32_t next(void) {
    static uint32_t state = 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void quicksort(uint32_t *a, int left, int right) {
    if (left >= right) return;
    uint32_t pivot = a[(left + right) / 2];
    int i = left, j = right;
    while (i <= j) {
        while (a[i] < pivot) i++;
        while (a[j] > pivot) j--;
        if (i <= j) {
            uint32_t swapped = a[i];
            a[i++] = a[j];
            a[j--] = swapped;
        }
    }
    quicksort(a, left, j);
    quicksort(a, i, right);
}

__attribute__((export_name("run"))) int run(int times) {
    uint32_t sum = 0;
    while (times--) {
        for (int i = 0; i < LENGTH; i++) numbers[i] = next();
        quicksort(numbers, 0, LENGTH - 1);
        sum += numbers[1000];
    }
    return sum;
}
