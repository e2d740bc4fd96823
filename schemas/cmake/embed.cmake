# Writes ${OUT}: each SQL file as an array of bytes (a string literal of that length is not portable C). The names begin with ${PREFIX}.
set(arrays "")
set(migration_rows "")
set(query_rows "")
function(embed file symbol)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x[^,]*,0x[^,]*,0x[^,]*,0x[^,]*,0x[^,]*,0x[^,]*,0x[^,]*,0x[^,]*,)" "\\1\n" bytes "${bytes}")
  set(arrays "${arrays}static const unsigned char ${symbol}[] = {\n${bytes}0x00};\n" PARENT_SCOPE)
endfunction()
foreach(file ${MIGRATIONS})
  get_filename_component(name ${file} NAME_WE)
  string(REGEX MATCH "^[0-9]+" version ${name})
  string(REGEX REPLACE "^0+" "" version ${version})
  embed(${file} migration_${name})
  string(APPEND migration_rows "    {${version}, \"${name}\", (const char *)migration_${name}},\n")
endforeach()
foreach(file ${QUERIES})
  get_filename_component(name ${file} NAME_WE)
  embed(${file} query_${name})
  string(APPEND query_rows "    {\"${name}\", (const char *)query_${name}},\n")
endforeach()
file(WRITE ${OUT} "/* Generated from schemas/sql. */
#include \"postbus_sql.h\"
#include <string.h>
${arrays}
const sql_migration ${PREFIX}sql_migrations[] = {
${migration_rows}    {0, 0, 0},
};
static const struct {
    const char *name;
    const char *text;
} queries[] = {
${query_rows}    {0, 0},
};
const char *${PREFIX}sql_query(const char *name)
{
    for (size_t i = 0; queries[i].name; i++)
        if (strcmp(queries[i].name, name) == 0)
            return queries[i].text;
    return 0;
}
")
