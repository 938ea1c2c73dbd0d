/* Products of matrices of 200 by 200 doubles. */
enum { SIZE = 200 };

static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

__attribute__((export_name("run"))) int run(int times) {
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = i + j;
            b[i][j] = i - j;
        }
    double sum = 0;
    for (int time = 0; time < times; time++) {
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++) {
                double dot = 0;
                for (int k = 0; k < SIZE; k++) dot += a[i][k] * b[k][j];
                c[i][j] = dot;
            }
        sum += c[time % SIZE][7];
        a[0][0] += 1;
    }
    return (int)sum;
}
