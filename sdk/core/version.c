/* Says which libpostbus this is; must never compute anything. */
#include <postbus/version.h>

const char *pbus_version_text(void)
{
    return PBUS_VERSION_TEXT;
}

int pbus_version_number(void)
{
    return PBUS_VERSION_NUMBER;
}
