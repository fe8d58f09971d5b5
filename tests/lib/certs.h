/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CERTS_H
#define TESTS_LIB_CERTS_H
/*
 * Certificates for tests, P-256, good for a hundred years: they need no tool, and no clock that is right. Made with
 * `openssl ca`.
 *
 *	ca	 signs node, node2, expired, named
 *	node	 for covey.test, as node2
 *	expired	 for covey.test, until 2002
 *	named	 for elsewhere.test
 *	other	 for covey.test, signed by otherca
 */
#define CERTS_NAME	 "covey.test"
#define CERTS_OTHER_NAME "elsewhere.test"

static const char certs_ca[] = "-----BEGIN CERTIFICATE-----\n"
			       "MIIBiDCCAS2gAwIBAgIUNSu9gxbXV7phsbFwa5vB5XPcDn0wCgYIKoZIzj0EAwIw\n"
			       "GDEWMBQGA1UEAwwNY292ZXkgdGVzdCBDQTAgFw0yNjExMjcwMjAxMjZaGA8yMTI2\n"
			       "MTEwMzAyMDEyNlowGDEWMBQGA1UEAwwNY292ZXkgdGVzdCBDQTBZMBMGByqGSM49\n"
			       "AgEGCCqGSM49AwEHA0IABCEx2J6scKtWs4UkZK3I6Lp2hUrSZbP3g88waiJgMPZt\n"
			       "v6gBdg66Ps3+yRYo45jCqH16mlNjX/UaHdlTe8omsGKjUzBRMB0GA1UdDgQWBBQT\n"
			       "qG5Ai3qfjyCpow8hBRi83J2hDjAfBgNVHSMEGDAWgBQTqG5Ai3qfjyCpow8hBRi8\n"
			       "3J2hDjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQD2Zq8A1hyC\n"
			       "7VZwQ0Y8PFWbFrUIXnXDqWhlfCRpK2jpmwIhAPh6gUyXD0gReuvUIqHMgUEHkELN\n"
			       "pzYc0O6EeZrpvE+C\n"
			       "-----END CERTIFICATE-----\n";

static const char certs_otherca[] = "-----BEGIN CERTIFICATE-----\n"
				    "MIIBizCCATGgAwIBAgIUSWjsz7QatMsfMMocUmjPZOKhrnwwCgYIKoZIzj0EAwIw\n"
				    "GjEYMBYGA1UEAwwPYW5vdGhlciB0ZXN0IENBMCAXDTI2MTEyNzAyMDEyNloYDzIx\n"
				    "MjYxMTAzMDIwMTI2WjAaMRgwFgYDVQQDDA9hbm90aGVyIHRlc3QgQ0EwWTATBgcq\n"
				    "hkjOPQIBBggqhkjOPQMBBwNCAARF2DGttN3yVaQPHmvUyn5qSoPn2ox/fq0rcV0o\n"
				    "omkXHPlyK5+1oegtRyUIba63h2Dy3K7UDp4Ve8o+DpCT68EUo1MwUTAdBgNVHQ4E\n"
				    "FgQUtQp0+zbigcL+6Dktv1JXGUqdEzQwHwYDVR0jBBgwFoAUtQp0+zbigcL+6Dkt\n"
				    "v1JXGUqdEzQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAbDKsG\n"
				    "16g5Kdb0/Udm/aLBWoGyGBEOYUi0lue41LwlGwIhAJDgZ3bv9YFk+mTm83npVrtX\n"
				    "zZSWvkY3lFq9RABc8V0Q\n"
				    "-----END CERTIFICATE-----\n";

static const char certs_node[] = "-----BEGIN CERTIFICATE-----\n"
				 "MIIBeDCCAR6gAwIBAgICZQcwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNY292ZXkg\n"
				 "dGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFTETMBEG\n"
				 "A1UEAwwKY292ZXkudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBE8Suqt\n"
				 "EEKQoZxK+jOw6Af5iuhBBImARiRIesRG9y0xtnus3B9Sf48Yr1hjzc/b3G5otGPu\n"
				 "Xu6ZfruLT3x2UwqjWTBXMBUGA1UdEQQOMAyCCmNvdmV5LnRlc3QwHQYDVR0OBBYE\n"
				 "FLryq0jguKSM7s7ME3BNllJQgL29MB8GA1UdIwQYMBaAFBOobkCLep+PIKmjDyEF\n"
				 "GLzcnaEOMAoGCCqGSM49BAMCA0gAMEUCIQD/BYaDsKbpySCXRPa/g8wfTqy7ho8Q\n"
				 "zZZM0pzQ0j/i2gIgAz4LNV1JaGcTI2kQVCgaoHZ7lyCR8FdpPuIVmj8Y1HY=\n"
				 "-----END CERTIFICATE-----\n";

static const char certs_node_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
				     "MHcCAQEEIL2ht+H4F9iJNu8IAlym16M1rcxjl9hj4rKaSKBzXabOoAoGCCqGSM49\n"
				     "AwEHoUQDQgAEETxK6q0QQpChnEr6M7DoB/mK6EEEiYBGJEh6xEb3LTG2e6zcH1J/\n"
				     "jxivWGPNz9vcbmi0Y+5e7pl+u4tPfHZTCg==\n"
				     "-----END EC PRIVATE KEY-----\n";

static const char certs_node2[] = "-----BEGIN CERTIFICATE-----\n"
				  "MIIBeTCCAR6gAwIBAgICOGkwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNY292ZXkg\n"
				  "dGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFTETMBEG\n"
				  "A1UEAwwKY292ZXkudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBv8YnNW\n"
				  "/Q5f4irDn369YelqAJzyt+xGuiAfsFM2TNTbLeTvq5sn22fK0pxrQ3gv4C9blSY9\n"
				  "XzGFwPCwl0tcZSejWTBXMBUGA1UdEQQOMAyCCmNvdmV5LnRlc3QwHQYDVR0OBBYE\n"
				  "FKNJyPzeIhuvvvEevCWQm/QWcLkJMB8GA1UdIwQYMBaAFBOobkCLep+PIKmjDyEF\n"
				  "GLzcnaEOMAoGCCqGSM49BAMCA0kAMEYCIQD6+aDm3IB62QFcBHCuAbZnCDlSHIQm\n"
				  "PcdXqw+Kjh8NngIhAN8EG0I4rMgREaMEG/VGDrVeljygsIFnM57PCQOG0E2F\n"
				  "-----END CERTIFICATE-----\n";

static const char certs_node2_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
				      "MHcCAQEEIKqCH/BqFuXOQaFQ+chpdpjYGEBMukBIfa3K96tp5iHaoAoGCCqGSM49\n"
				      "AwEHoUQDQgAEG/xic1b9Dl/iKsOffr1h6WoAnPK37Ea6IB+wUzZM1Nst5O+rmyfb\n"
				      "Z8rSnGtDeC/gL1uVJj1fMYXA8LCXS1xlJw==\n"
				      "-----END EC PRIVATE KEY-----\n";

static const char certs_expired[] = "-----BEGIN CERTIFICATE-----\n"
				    "MIIBdjCCARygAwIBAgICcUEwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNY292ZXkg\n"
				    "dGVzdCBDQTAeFw0wMTAxMDEwMDAwMDBaFw0wMjAxMDEwMDAwMDBaMBUxEzARBgNV\n"
				    "BAMMCmNvdmV5LnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATrNke7okGJ\n"
				    "rn+xVo90hlT/Ys80lWUEpeoz2sKYa2Ao0JseXxmi0RWmeByHntvDXlDk6ZcNumVU\n"
				    "vnS07B1ERfE6o1kwVzAVBgNVHREEDjAMggpjb3ZleS50ZXN0MB0GA1UdDgQWBBTv\n"
				    "9KMjTCdH2052wK+8hktZmBGt4jAfBgNVHSMEGDAWgBQTqG5Ai3qfjyCpow8hBRi8\n"
				    "3J2hDjAKBggqhkjOPQQDAgNIADBFAiBRYUXRVMLVK+JqQH10HamytEC6zBRVQUE/\n"
				    "dCl/M3aAdQIhAIwfmPHcsmhQbb+4LZ4H0Ie67S74a6YhMObGZHYZwIq5\n"
				    "-----END CERTIFICATE-----\n";

static const char certs_expired_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
					"MHcCAQEEIAXoKmeNHznqLvkaPRs0tHOJ2BtJHoKFeV0cWY7b2hrwoAoGCCqGSM49\n"
					"AwEHoUQDQgAE6zZHu6JBia5/sVaPdIZU/2LPNJVlBKXqM9rCmGtgKNCbHl8ZotEV\n"
					"pngch57bw15Q5OmXDbplVL50tOwdREXxOg==\n"
					"-----END EC PRIVATE KEY-----\n";

static const char certs_named[] = "-----BEGIN CERTIFICATE-----\n"
				  "MIIBgTCCASagAwIBAgICFwYwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNY292ZXkg\n"
				  "dGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowGTEXMBUG\n"
				  "A1UEAwwOZWxzZXdoZXJlLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATh\n"
				  "silS+c/zT4BLtSfC79aSrvpSd03VMxtMCgBg2nhtLYYPTR8/Y5XOK1TveorhsiRF\n"
				  "yfgBoU0AdTCrNyXNSE7jo10wWzAZBgNVHREEEjAQgg5lbHNld2hlcmUudGVzdDAd\n"
				  "BgNVHQ4EFgQUj501x2A/YSvaKxuXMXO2HwpT78gwHwYDVR0jBBgwFoAUE6huQIt6\n"
				  "n48gqaMPIQUYvNydoQ4wCgYIKoZIzj0EAwIDSQAwRgIhAPQlQExKbD39eqmr9URp\n"
				  "42Nl1YgAvMUzhfBvX8C/0Km5AiEA+Qw8gE6WOeEPm3TD5/pkAD8riOICQ+H87wtz\n"
				  "sRApNWE=\n"
				  "-----END CERTIFICATE-----\n";

static const char certs_named_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
				      "MHcCAQEEIA50NlMdDO/oWBK6VxK48V9CPM09ZETKve2KAEBBdZTCoAoGCCqGSM49\n"
				      "AwEHoUQDQgAE4bIpUvnP80+AS7Unwu/Wkq76UndN1TMbTAoAYNp4bS2GD00fP2OV\n"
				      "zitU73qK4bIkRcn4AaFNAHUwqzclzUhO4w==\n"
				      "-----END EC PRIVATE KEY-----\n";

static const char certs_other[] = "-----BEGIN CERTIFICATE-----\n"
				  "MIIBeTCCASCgAwIBAgICciEwCgYIKoZIzj0EAwIwGjEYMBYGA1UEAwwPYW5vdGhl\n"
				  "ciB0ZXN0IENBMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAVMRMw\n"
				  "EQYDVQQDDApjb3ZleS50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1T0e\n"
				  "0HXwyu164Zyp7RMhckUlORFL/bvf1db+N1PVQF7U186ETSIHut5F2QGl3ypdmeZJ\n"
				  "Pl/2yq3RU5mHLl6DyaNZMFcwFQYDVR0RBA4wDIIKY292ZXkudGVzdDAdBgNVHQ4E\n"
				  "FgQUM0iPLRaiUcs2SHxELKpDhNI83twwHwYDVR0jBBgwFoAUtQp0+zbigcL+6Dkt\n"
				  "v1JXGUqdEzQwCgYIKoZIzj0EAwIDRwAwRAIgJrjU7A5DLC7a1nGS+ZW5V8ziUVod\n"
				  "m24kpwjnoL9Av9wCIDoviWeU2fAKYhreLjzXjal85uFRbxtM7plqUeCw8/JB\n"
				  "-----END CERTIFICATE-----\n";

static const char certs_other_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
				      "MHcCAQEEIOA2243yQTGrozJGbun2jX6+MXg12uibFtlRmiuISOGLoAoGCCqGSM49\n"
				      "AwEHoUQDQgAE1T0e0HXwyu164Zyp7RMhckUlORFL/bvf1db+N1PVQF7U186ETSIH\n"
				      "ut5F2QGl3ypdmeZJPl/2yq3RU5mHLl6DyQ==\n"
				      "-----END EC PRIVATE KEY-----\n";

#endif
