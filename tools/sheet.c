// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>

#include "ferryctl.h"

#define MAX_NAME 32

struct sheet {
	struct json *json;
	const struct sheet_column *columns;
	struct libscols_table *table;
	struct libscols_line *line;
	bool *used;	/* for each column */
	bool in_row;
};

char *size_text(unsigned long long bytes, char *text)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	size_t unit = 0;

	/* A value that rounds to 1024.0 is 1 of the next unit. */
	for (; value >= 1023.95; unit++)
		value /= 1024;
	if (value == (unsigned int)value)
		snprintf(text, SIZE_TEXT, "%u %s", (unsigned int)value, units[unit]);
	else
		snprintf(text, SIZE_TEXT, "%.1f %s", value, units[unit]);
	return text;
}

static void add_heading(struct sheet *sheet, const struct sheet_column *column)
{
	char name[MAX_NAME];
	size_t i;

	for (i = 0; column->name[i] && i < MAX_NAME - 1; i++)
		name[i] = toupper((unsigned char)column->name[i]);
	name[i] = 0;
	scols_table_new_column(sheet->table, name, 0,
			       column->kind == SHEET_TEXT ? 0 : SCOLS_FL_RIGHT);
}

struct sheet *sheet_create(struct json *json, const char *name,
			   const struct sheet_column *columns, size_t ncolumns)
{
	struct sheet *sheet = calloc(1, sizeof(*sheet));
	size_t i;

	if (sheet)
		sheet->used = calloc(ncolumns, sizeof(*sheet->used));
	if (!sheet || !sheet->used)
		exit(failed("out of memory"));
	sheet->json = json;
	sheet->columns = columns;
	if (json) {
		json_open(json, name, '[');
		return sheet;
	}
	scols_init_debug(0);
	sheet->table = scols_new_table();
	if (!sheet->table)
		exit(failed("out of memory"));
	for (i = 0; i < ncolumns; i++)
		add_heading(sheet, &columns[i]);
	return sheet;
}

static void set_cell(struct sheet *sheet, size_t column, const char *text)
{
	sheet->used[column] = true;
	scols_line_set_data(sheet->line, column, text);
}

static void hide_unused(struct sheet *sheet)
{
	struct libscols_column *column;
	size_t i;

	for (i = 0; (column = scols_table_get_column(sheet->table, i)); i++)
		if (!sheet->used[i])
			scols_column_set_flags(column, SCOLS_FL_HIDDEN);
}

static void end_row(struct sheet *sheet)
{
	if (sheet->json && sheet->in_row)
		json_close(sheet->json);
	sheet->in_row = false;
}

void sheet_row(struct sheet *sheet)
{
	end_row(sheet);
	sheet->in_row = true;
	if (sheet->json)
		json_open(sheet->json, NULL, '{');
	else
		sheet->line = scols_table_new_line(sheet->table, NULL);
}

void sheet_text(struct sheet *sheet, size_t column, const char *text)
{
	if (sheet->json)
		json_text(sheet->json, sheet->columns[column].name, text);
	else
		set_cell(sheet, column, text);
}

void sheet_number(struct sheet *sheet, size_t column, unsigned long long value)
{
	char text[SIZE_TEXT];

	if (sheet->json) {
		json_number(sheet->json, sheet->columns[column].name, value);
		return;
	}
	if (sheet->columns[column].kind == SHEET_BYTES)
		size_text(value, text);
	else
		snprintf(text, sizeof(text), "%llu", value);
	set_cell(sheet, column, text);
}

void sheet_ratio(struct sheet *sheet, size_t column, double value)
{
	char text[SIZE_TEXT];

	if (sheet->json) {
		json_ratio(sheet->json, sheet->columns[column].name, value);
		return;
	}
	snprintf(text, sizeof(text), value < 10 ? "%.4f" : "%.1f", value);
	set_cell(sheet, column, text);
}

void sheet_drop(struct sheet *sheet)
{
	if (sheet->table)
		scols_unref_table(sheet->table);
	free(sheet->used);
	free(sheet);
}

void sheet_end(struct sheet *sheet)
{
	end_row(sheet);
	if (sheet->json) {
		json_close(sheet->json);
	} else {
		hide_unused(sheet);
		scols_print_table(sheet->table);
	}
	sheet_drop(sheet);
}
