/* wordfreq FILE [COUNT]: how often does each word occur in a text?
 *
 * Reads the file, folds ASCII letters to lower case, and prints the COUNT (10 unless told) most frequent words, the most frequent first and
 * equally frequent ones in alphabetical order, then a line with the totals. A word is a run of ASCII letters, with apostrophes inside it.
 *
 * An ordinary C program: it knows nothing of WebAssembly. examples/run.py compiles it for WASI and runs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *word;
    unsigned long count;
};

/* An open-addressing hash table; `capacity` is a power of two, and an entry whose word is NULL is free. */
struct table {
    struct entry *entries;
    size_t capacity;
    size_t used;
};

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fputs("wordfreq: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

/* FNV-1a */
static size_t hash(const char *word) {
    unsigned value = 2166136261u;
    for (; *word != '\0'; word++)
        value = (value ^ (unsigned char)*word) * 16777619u;
    return value;
}

static struct entry *find(const struct table *table, const char *word) {
    size_t mask = table->capacity - 1;
    size_t slot = hash(word) & mask;
    while (table->entries[slot].word != NULL && strcmp(table->entries[slot].word, word) != 0)
        slot = (slot + 1) & mask;
    return &table->entries[slot];
}

static void grow(struct table *table) {
    struct table larger = {allocate(table->capacity * 2, sizeof(struct entry)), table->capacity * 2, table->used};
    for (size_t slot = 0; slot < table->capacity; slot++)
        if (table->entries[slot].word != NULL)
            *find(&larger, table->entries[slot].word) = table->entries[slot];
    free(table->entries);
    *table = larger;
}

static void count_word(struct table *table, const char *word) {
    struct entry *entry = find(table, word);
    if (entry->word == NULL) {
        char *copy = allocate(strlen(word) + 1, 1);
        strcpy(copy, word);
        entry->word = copy;
        table->used++;
    }
    entry->count++;
    if (table->used * 2 > table->capacity)
        grow(table);
}

static int by_count_then_word(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

/* Ends `word` and counts it; apostrophes at its end are quotation marks, not part of it. */
static unsigned long end_word(struct table *table, char *word, size_t length) {
    while (length > 0 && word[length - 1] == '\'')
        length--;
    if (length == 0)
        return 0;
    word[length] = '\0';
    count_word(table, word);
    return 1;
}

static unsigned long count_words(struct table *table, FILE *file) {
    static char chunk[65536];
    char word[256];
    size_t length = 0, size;
    unsigned long words = 0;
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0) {
        for (size_t i = 0; i < size; i++) {
            unsigned char c = chunk[i];
            unsigned char lower = c | 0x20;
            if ((lower >= 'a' && lower <= 'z') || (c == '\'' && length > 0)) {
                if (length + 1 < sizeof word)
                    word[length++] = c == '\'' ? c : lower;
            } else if (length > 0) {
                words += end_word(table, word, length);
                length = 0;
            }
        }
    }
    return words + end_word(table, word, length);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fputs("usage: wordfreq FILE [COUNT]\n", stderr);
        return 2;
    }
    FILE *file = fopen(argv[1], "r");
    if (file == NULL) {
        fprintf(stderr, "wordfreq: cannot open %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    struct table table = {allocate(1024, sizeof(struct entry)), 1024, 0};
    unsigned long words = count_words(&table, file);
    if (ferror(file)) {
        fprintf(stderr, "wordfreq: cannot read %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    fclose(file);

    size_t distinct = 0;
    for (size_t slot = 0; slot < table.capacity; slot++)
        if (table.entries[slot].word != NULL)
            table.entries[distinct++] = table.entries[slot];
    qsort(table.entries, distinct, sizeof(struct entry), by_count_then_word);

    size_t shown = argc == 3 ? strtoul(argv[2], NULL, 10) : 10;
    for (size_t i = 0; i < shown && i < distinct; i++)
        printf("%7lu %s\n", table.entries[i].count, table.entries[i].word);
    printf("%lu words, %zu distinct\n", words, distinct);
    return 0;
}
