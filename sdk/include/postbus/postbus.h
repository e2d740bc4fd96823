/* Everything of libpostbus. */
#ifndef POSTBUS_POSTBUS_H
#define POSTBUS_POSTBUS_H

#include <postbus/error.h>
#include <postbus/publisher.h>
#include <postbus/uuid.h>
#include <postbus/version.h>

#endif
