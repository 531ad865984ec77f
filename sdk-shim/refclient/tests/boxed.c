#include "boxed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void boxed_start_with(struct boxed *boxed, const struct sbc_client_options *options)
{
    struct sbc_client_options all = *options;
    *boxed = (struct boxed){ .server = scripted_start(), .err = SBC_ERROR_INIT };
    all.url = scripted_url(boxed->server);
    all.api_key = "key";
    scripted_box(boxed->server);
    boxed->client = sbc_client_new(&all, &boxed->err);
    assert_non_null(boxed->client);
    boxed->box = sbc_sandbox_create(boxed->client, &(struct sbc_sandbox_options){ .image = "default" }, &boxed->err);
    assert_non_null(boxed->box);
}

void boxed_start(struct boxed *boxed, enum sbc_protocol protocol)
{
    boxed_start_with(boxed, &(struct sbc_client_options){ .protocol = protocol });
}

void boxed_stop(struct boxed *boxed)
{
    sbc_sandbox_free(boxed->box);
    sbc_client_free(boxed->client);
    sbc_error_clear(&boxed->err);
    scripted_stop(boxed->server);
}
