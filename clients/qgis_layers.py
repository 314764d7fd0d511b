"""Loads collections as QGIS does, without a window, and tells what it finds: run by clients.py with the system's Python.

    qgis_layers.py URL COLLECTION ...
"""

import json
import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from qgis.core import QgsApplication, QgsVectorLayer  # noqa: E402

url, *collections = sys.argv[1:]
app = QgsApplication([], False)
app.initQgis()
found = {}
for name in collections:
    layer = QgsVectorLayer(f"url='{url}' typename='{name}' restrictToRequestBBOX='0'", name, "OAPIF")
    features = list(layer.getFeatures()) if layer.isValid() else []
    fields = {field.name(): field.typeName() for field in layer.fields()}
    with_shape = sum(1 for feature in features if not feature.geometry().isEmpty())
    ids = sorted(str(feature["id"]) for feature in features) if "id" in fields else []
    found[name] = {"valid": layer.isValid(), "features": len(features), "with_shape": with_shape, "fields": fields, "ids": ids}
print(json.dumps(found), flush=True)
# QGIS 3.22 falls over its own feet when it ends while a layer lives.
os._exit(0)
