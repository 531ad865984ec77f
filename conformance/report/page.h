/*
 * The parts of the HTML report, as they stand in report/page/, made part of the program at build time
 * (cmake/StandboxEmbed.cmake).
 */
#ifndef STANDBOX_REPORT_PAGE_H
#define STANDBOX_REPORT_PAGE_H

#include <stddef.h>

/* Bytes with a NUL behind them; *_sha256 is hexadecimal. */
extern const char report_page_html[], report_page_css[], report_page_js[];
extern const size_t report_page_html_len, report_page_css_len, report_page_js_len;
extern const char report_page_css_sha256[], report_page_js_sha256[];

#endif
