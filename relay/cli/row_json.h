/* Rows of queries as JSON and as text. */
#ifndef POSTBUS_CLI_ROW_JSON_H
#define POSTBUS_CLI_ROW_JSON_H

#include <jansson.h>
#include <libpq-fe.h>

/* By the columns' types: numbers as numbers, jsonb as it is, bytea as text where it is UTF-8, else as \x and hex; the rest as text. total is left out. */
json_t *row_json(const PGresult *rows, int row);

/* The same to standard output, in a line. */
void row_print_json(const PGresult *rows, int row);

/* bytea's text, \x and hex, for the caller to free: as a JSON string where it is UTF-8, else as it is; as row_print_text shows it. NULL: no memory. */
char *row_bytes_text(const char *hex);

/* One value in one line, for the caller to free: bytea as a JSON string where it is UTF-8, else as \x and hex; "-" for NULL; as row_print_text shows it. */
char *row_text(const PGresult *rows, int row, int column);

/* Text that others may have written, to standard output: control characters are shown and not sent. */
void row_print_text(const char *text);

/* Of a list that --limit has cut off, how many there are beyond its rows, of which there is one at least: the column total says how many there are in all. */
void row_print_rest(const PGresult *rows);

#endif
