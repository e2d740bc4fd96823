/* Checks a value against a schema, by the installed headers and library. */
#include <postbus/schema.h>
#include <stdio.h>

int main(void)
{
    static const char text[] =
        "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"}]}";
    pbus_schema *schema = NULL;
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_error err;
    pbus_status status = pbus_schema_parse(text, sizeof text - 1, NULL, 0, &schema, &err);
    if (status == PBUS_OK)
        status = pbus_schema_encode_json(schema, "{\"id\":7}", 8, PBUS_JSON_PLAIN, &bytes, &err);
    if (status != PBUS_OK)
        fprintf(stderr, "%s: %s\n", pbus_status_name(status), err.message);
    int good = status == PBUS_OK && bytes.size == 1 && bytes.data[0] == 14;
    pbus_buffer_done(&bytes);
    pbus_schema_free(schema);
    return good ? 0 : 1;
}
