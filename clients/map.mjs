// Opens a page of a map in Chromium, waits until it is drawn, tells the ids that each layer shows, and keeps the picture.
//
//     node map.mjs CHROMIUM PICTURE.png URL
import { chromium } from "playwright-core";

const [executablePath, path, url] = process.argv.slice(2);
const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
const browser = await chromium.launch({ executablePath, args });
try {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url);
  await page.waitForFunction(() => window.isDrawn === true, null, { timeout: 60_000 });
  const told = await page.evaluate(() => {
    const shown = (layer) => [...new Set(map.queryRenderedFeatures({ layers: [layer] }).map((f) => f.properties.id))];
    const layers = ["blocks", "facilities", "gaps"].map((layer) => [layer, shown(layer).sort()]);
    const streets = map.queryRenderedFeatures({ layers: ["streets"] }).length;
    return { ...Object.fromEntries(layers), streets, zoom: map.getZoom(), problems: window.problems };
  });
  await page.screenshot({ path });
  console.log(JSON.stringify({ ...told, problems: told.problems.concat(problems) }));
} finally {
  await browser.close();
}
