/* The Mandelbrot set in 200 by 200 points, with up to 200 iterations for each. */
__attribute__((export_name("run"))) int run(int times) {
    int sum = 0;
    while (times--)
        for (int y = 0; y < 200; y++)
            for (int x = 0; x < 200; x++) {
                double c_re = x / 100.0 - 1.5, c_im = y / 100.0 - 1.0, re = 0, im = 0;
                int i = 0;
                for (; i < 200 && re * re + im * im < 4; i++) {
                    double next = re * re - im * im + c_re;
                    im = 2 * re * im + c_im;
                    re = next;
                }
                sum += i;
            }
    return sum;
}
