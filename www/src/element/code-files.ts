/** Which requests are for the files of Veilsight's own build. */

const CODE =
  /^(?:|index\.html|site\.html|site\.js|favicon\.svg|veilsight\.js|worker\.js|assets\/[\w.-]+\.(?:js|css)|wasm\/(?:cpu|webgpu)\/client_wasm_bg\.wasm)$/;

/** Whether an address is one of the files of the build below `assets`. */
export function isCodeOf(assets: string): (url: string) => boolean {
  return (url) => {
    const address = new URL(url);
    const plain = address.origin + address.pathname;
    return plain.startsWith(assets) && CODE.test(plain.slice(assets.length));
  };
}
