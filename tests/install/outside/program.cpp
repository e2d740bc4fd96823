// The same from C++: the headers are read as C++17, and the functions have C's names.
#include <postbus/postbus.h>

#include <cstdio>

int main()
{
    pbus_event event{};
    event.topic = "install";
    pbus_error err{};
    if (pbus_publish(nullptr, &event, nullptr, nullptr, &err) != PBUS_ERROR_ARGUMENT)
        return 1;
    std::printf("libpostbus %s from C++: %s\n", pbus_version_text(), err.message);
    return 0;
}
