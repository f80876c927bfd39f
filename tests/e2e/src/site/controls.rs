//! Pages for the tools that act on one element: they tell what reached them, in `<output>`, in
//! counters and on the console.

/// Notes every key event of the page, as `keydown a KeyA 65 shift`, in `window.keys`.
pub(super) const KEYS: &str = "<h1>Keys</h1><form onsubmit=\"hit('submitted');return false\">\
    <label>Text <input id=text></label></form><script>window.keys=[];\
    for(const kind of ['keydown','keyup'])addEventListener(kind,(e)=>{\
    const held=['ctrl','shift','alt','meta'].filter((name)=>e[name+'Key']);\
    keys.push([kind,e.key,e.code,e.keyCode,...held].join(' ')+(e.isTrusted?'':' fake'))},true)\
    </script>";

/// A menu that is there only while the mouse is over it or its button.
pub(super) const MENU: &str = "<h1>Menu</h1><style>nav ul{display:none}nav:hover ul{display:block}\
    </style><nav><button disabled title='Soon'>File</button><ul><li>\
    <button onclick=\"hit('saved')\">Save</button></ul></nav><output></output>";

/// Lists that say which event they got and what is selected then.
pub(super) const LISTS: &str = "<h1>Lists</h1><form><label>Size <select id=size>\
    <option value=s>Small<option value=m>Medium<option value=l disabled>Large</select></label>\
    <label>Toppings <select id=toppings multiple><option>Cheese<option selected>Ham\
    <optgroup label=Out disabled><option>Truffle</optgroup><option>Corn</select></label>\
    <label>Off <select disabled><option>One</select></label></form>\
    <script>window.told=[];addEventListener('input',note,true);addEventListener('change',note,true);\
    function note(e){const chosen=[...e.target.selectedOptions].map((o)=>o.label).join('+');\
    told.push(e.type+' '+e.target.id+' '+chosen)}</script>";

/// Asks the network for what exists, what does not, and what nobody serves.
pub(super) const ASKS: &str = "<h1>Asks</h1><link rel=stylesheet href='/style.css?name=fine'>\
    <button onclick='ask()'>Ask</button> <output></output><script>async function ask(){\
    await fetch('/hit?name=asked',{method:'POST',headers:{'X-Word':'hush'},body:'hush'});\
    await fetch('/nowhere');await fetch('http://127.0.0.1:9/').catch(()=>{});say('asked')}</script>";

/// Says something at every level, and throws, each on a line of its own.
pub(super) const LOUD: &str = "<h1>Loud</h1><script>\n\
    console.debug('a detail');\n\
    console.log('a fact');\n\
    console.warn('a warning');\n\
    setTimeout(() => { throw new Error('thrown away') });\n\
    </script><img src='/missing.png' alt=''>";
