/* Searching, hashing and formatting text with the C library. */
#include <stdio.h>
#include <string.h>

static char text[100000];

static unsigned hash_words(const char *at) {
    unsigned sum = 0;
    while (*at) {
        while (*at == ' ' || *at == '\n') at++;
        unsigned hash = 5381;
        while (*at && *at != ' ' && *at != '\n') hash = hash * 33 + *at++;
        sum += hash;
    }
    return sum;
}

__attribute__((export_name("run"))) int run(int times) {
    unsigned sum = 0;
    for (int i = 0; i < 99999; i++) text[i] = "abcdefghij klmno\n"[i * 7 % 17];
    for (int time = 0; time < times; time++) {
        for (const char *found = text; (found = strstr(found, "h a")); found++) sum++;
        sum += hash_words(text);
        char line[64];
        for (int i = 0; i < 2000; i++) {
            snprintf(line, sizeof line, "%d %s %x", i, "hello", i * time);
            sum += strlen(line);
        }
    }
    return sum;
}
