"""LibreTranslate's own client, and deep-translator's, ask for translations; what they were told is written as JSON."""

import json
import os
import sys
from urllib.error import HTTPError

from deep_translator import LibreTranslator
from libretranslatepy import LibreTranslateAPI

url, key = os.environ["URL"], os.environ["KEY"]
own = LibreTranslateAPI(url, api_key=key)
told = {
    "translated": own.translate("Good morning, {name}. Open the window: https://example.org/a?b=c", "en", "es"),
    "back": own.translate("Buenos días", "es", "en"),
    "detected": own.detect("Please open the window before the meeting begins."),
    "languages": own.languages(),
    "deep": LibreTranslator(source="en", target="es", api_key=key, custom_url=f"{url}/").translate("Good morning"),
    "several": LibreTranslator(source="en", target="es", api_key=key, custom_url=f"{url}/").translate_batch(
        ["Good morning", "the house"]
    ),
    "errors": [],
}
for client, target in ((own, "tlh"), (LibreTranslateAPI(url, api_key="wrong"), "es"), (LibreTranslateAPI(url), "es")):
    try:
        client.translate("Good morning", "en", target)
    except HTTPError as error:
        told["errors"].append([error.code, json.loads(error.read())])
json.dump(told, sys.stdout)
